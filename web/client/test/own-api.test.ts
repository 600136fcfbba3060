import { getEventListeners } from 'node:events'

import { expect, inject, onTestFinished, test, vi } from 'vitest'

import { AuthError, createClient, memoryStorage, type ClientOptions, type TokenStorage } from '../dist/index.js'
import { ownApi, type Handler } from './api.ts'
import { counting, expire, kept, listening, someone } from './person.ts'

/** A client of somebody who is logged in, and of an API. */
async function loggedIn(origin: string, options: Partial<ClientOptions> = {}) {
  const storage = memoryStorage()
  const { auth, changes, refreshes } = counting(inject('url'), storage, undefined, { apiOrigins: [origin], ...options })
  const registered = await auth.register(someone())
  if (!registered.ok || !('id' in registered.data)) throw new Error('not registered')
  return { auth, changes, refreshes, storage, id: registered.data.id, token: () => tokenIn(storage) }
}

function tokenIn(storage: TokenStorage): string {
  return (JSON.parse(storage.get() ?? '') as { access_token: string }).access_token
}

/** Replaces the token by one that nobody takes, which has not expired by the clock. */
function spoil(storage: TokenStorage, access_token = 'e30.e30.e30'): void {
  storage.set(JSON.stringify({ ...(JSON.parse(storage.get() ?? '') as object), access_token }))
}

const failed = async (asked: Promise<unknown>) => {
  const error = await asked.catch((error: unknown) => error)
  if (!(error instanceof AuthError)) throw new Error('no AuthError', { cause: error })
  return error
}

test('an API of one’s own gets the token, and knows the user by it', async () => {
  const api = await ownApi()
  const { auth, id, token } = await loggedIn(api.origin)
  const response = await auth.fetch(`${api.origin}/orders`, { method: 'POST', body: 'two', headers: { 'X-Mine': '1' } })
  expect(await response.json()).toEqual({ uid: id })
  expect(api.seen).toEqual([`POST /orders ${token()} two`])
  expect(await auth.getAccessToken()).toEqual({ ok: true, data: token() })
  // The server of the client needs not be listed.
  expect((await auth.fetch(`${inject('url')}/api/users/me/`)).status).toBe(200)
})

test('twenty calls with a token that has expired, or that is refused, refresh once', async () => {
  const api = await ownApi()
  const { auth, changes, refreshes, storage, id } = await loggedIn(api.origin)
  for (const [round, worsen] of [expire, spoil].entries()) {
    worsen(storage)
    const asked = Array.from({ length: 20 }, async () => {
      const response = await auth.fetch(`${api.origin}/orders`)
      return (await response.json()) as unknown
    })
    for (const answer of await Promise.all(asked)) expect(answer).toEqual({ uid: id })
    expect(refreshes()).toBe(round + 1)
  }
  expire(storage)
  expect(await auth.getAccessToken()).toEqual({ ok: true, data: tokenIn(storage) })
  expect(refreshes()).toBe(3)
  expect(changes).toEqual([{ type: 'signed_in' }])
})

test.each(['/orders', '/bare'])('a body goes along when %s has refused the first token', async (path) => {
  const api = await ownApi()
  const { auth, storage, token } = await loggedIn(api.origin)
  const url = `${api.origin}${path}`
  const bodies = [
    () => auth.fetch(url, { method: 'POST', body: 'ok' }),
    () => auth.fetch(new Request(url, { method: 'POST', body: 'ok' })),
    () => auth.fetch(new URL(url), { method: 'POST', body: new Blob(['ok']) }),
  ]
  for (const [round, ask] of bodies.entries()) {
    // What was refused once is not sent again.
    const refused = `e30.e30.${round}`
    spoil(storage, refused)
    api.seen.length = 0
    expect((await ask()).status).toBe(200)
    expect(api.seen).toEqual([`POST ${path} ${refused} ok`, `POST ${path} ${token()} ok`])
  }
})

test('the answer that refuses the first token holds no connection', async () => {
  let closed = false
  const refuse: Handler = ({ response, uid }) => {
    if (uid !== undefined) response.end()
    // Its body never ends.
    else
      response
        .writeHead(401)
        .on('close', () => (closed = true))
        .write('{')
  }
  const api = await ownApi({ '/endless': refuse })
  const { auth, storage } = await loggedIn(api.origin)
  spoil(storage)
  expect((await auth.fetch(`${api.origin}/endless`)).status).toBe(200)
  await vi.waitFor(() => {
    expect(closed).toBe(true)
  })
})

test('a stream is sent once, and the next call has another token', async () => {
  const api = await ownApi()
  const { auth, refreshes, storage } = await loggedIn(api.origin)
  const send = (path: string) => {
    const body = new Blob(['a stream']).stream()
    return auth.fetch(`${api.origin}${path}`, { method: 'POST', body, duplex: 'half' } as RequestInit)
  }
  // A copy would fill the memory.
  const copied = vi.spyOn(Request.prototype, 'clone')
  onTestFinished(() => {
    copied.mockRestore()
  })
  spoil(storage)
  expect((await send('/bare')).status).toBe(401)
  expect(copied).not.toHaveBeenCalled()
  // Nothing says that it was the token.
  expect((await send('/orders')).status).toBe(401)
  expect(refreshes()).toBe(0)
  expect((await send('/orders')).status).toBe(200)
  expect(refreshes()).toBe(1)
  expect(api.seen.map((each) => each.replace(/ey\S+/, 'good'))).toEqual([
    'POST /bare e30.e30.e30 a stream',
    'POST /orders e30.e30.e30 a stream',
    'POST /orders good a stream',
  ])
})

test.each([
  ['/pin', 1, 0, 1, 0],
  ['/grumpy', 2, 1, 1, 0],
  ['/suspicious', 2, 1, 1, 0],
])(
  'an API that answers 401 for something else costs no more than one refresh: %s',
  async (path, requests, refreshed, requestsThen, refreshedThen) => {
    const api = await ownApi()
    const { auth, changes, refreshes } = await loggedIn(api.origin)
    expect((await auth.fetch(`${api.origin}${path}`)).status).toBe(401)
    expect([api.seen.length, refreshes()]).toEqual([requests, refreshed])
    for (let i = 1; i <= 3; i++) {
      expect((await auth.fetch(`${api.origin}${path}`)).status).toBe(401)
      expect([api.seen.length, refreshes()]).toEqual([requests + i * requestsThen, refreshed + i * refreshedThen])
    }
    // Elsewhere the token is as good as before.
    expect(await auth.me()).toMatchObject({ ok: true })
    expect(changes).toEqual([{ type: 'signed_in' }])
  },
)

test('two APIs that refuse every token cost a refresh each, and not one for each call', async () => {
  const [one, other] = [await ownApi(), await ownApi()]
  const { auth, refreshes } = await loggedIn(one.origin, { apiOrigins: [one.origin, other.origin] })
  for (let i = 0; i < 3; i++) {
    for (const { origin } of [one, other]) expect((await auth.fetch(`${origin}/suspicious`)).status).toBe(401)
  }
  expect(refreshes()).toBe(2)
})

const api = 'https://api.example.com'

test.each([
  'http://api.example.com/',
  'https://api.example.com:8443/',
  'https://api.example.com.evil.example/',
  'https://api.example.com.:443/',
  'https://evil.example/https://api.example.com/',
  'https://evil.example/?https://api.example.com/',
  'https://evil.example\\@api.example.com/',
  'https://xapi.example.com/',
  'https://example.com/',
  'data:text/plain,https://api.example.com/',
  'blob:https://api.example.com/7d3b0f6c-1b1e-4f0e-8a6e-0c8f8b4f0a11',
])('%s is a wrong origin, and nothing is sent there', async (url) => {
  const fetch = vi.fn<typeof globalThis.fetch>()
  const storage = memoryStorage()
  storage.set(kept())
  const { auth } = listening({ storage, fetch, apiOrigins: [api] })
  for (const input of [url, new URL(url), new Request(url)]) {
    const error = await failed(auth.fetch(input))
    expect(error).toMatchObject({ name: 'AuthError', message: 'wrong_origin', code: 'wrong_origin' })
    expect(error.error).toEqual({ code: 'wrong_origin', url: new Request(url).url })
  }
  expect(fetch).not.toHaveBeenCalled()
})

test.each([
  'https://api.example.com/orders',
  'https://API.example.com:443/orders',
  'https:\\\\api.example.com\\orders',
  'https://evil.example/../../orders',
])('%s goes where it says', async (url) => {
  const sent: string[] = []
  const fetch = (request: RequestInfo | URL) => {
    sent.push((request as Request).url)
    return Promise.resolve(new Response())
  }
  const storage = memoryStorage()
  storage.set(kept())
  const asked = listening({ storage, fetch, apiOrigins: [api] }).auth.fetch(url)
  if (new URL(url).origin === api) await asked
  else expect((await failed(asked)).code).toBe('wrong_origin')
  expect(sent).toEqual(new URL(url).origin === api ? ['https://api.example.com/orders'] : [])
})

test.each([
  '',
  '/',
  '*',
  'null',
  'self',
  'api.example.com',
  '//api.example.com',
  'https://',
  'https://api.example.com/',
  'https://api.example.com/v1',
  'https://api.example.com?',
  'https://api.example.com:443',
  'http://api.example.com:80',
  'https://API.example.com',
  'HTTPS://api.example.com',
  'https://*.example.com',
  'https://bücher.example',
  'https://ada:secret@api.example.com',
  'https://api.example.com https://evil.example',
  'wss://api.example.com',
  'file:///',
])('%o is no origin of an API', (origin) => {
  expect(() => createClient({ baseUrl: '', apiOrigins: [api, origin] })).toThrow(TypeError)
})

test.each([api, 'https://api.example.com:8443', 'http://localhost:3000', 'http://[::1]:3000', 'http://my_api:8080'])(
  '%o is one',
  (origin) => {
    expect(() => createClient({ baseUrl: '', apiOrigins: [origin] })).not.toThrow()
    expect(new URL(origin).origin).toBe(origin)
  },
)

test('what is relative goes by the page, and so does a baseUrl that is', async () => {
  class PageRequest extends Request {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      super(input instanceof Request ? input : new URL(input, 'https://page.example.com/app/'), init)
    }
  }
  vi.stubGlobal('Request', PageRequest)
  onTestFinished(() => {
    vi.unstubAllGlobals()
  })
  const storage = memoryStorage()
  storage.set(kept())
  const fetch = (request: RequestInfo | URL) => Promise.resolve(new Response((request as Request).url))
  const asked = async (options: Partial<ClientOptions>, url: string) =>
    (await listening({ storage, fetch, ...options }).auth.fetch(url)).text()
  expect(await asked({ baseUrl: '' }, 'orders')).toBe('https://page.example.com/app/orders')
  expect(await asked({ apiOrigins: ['https://page.example.com'] }, '/orders')).toBe('https://page.example.com/orders')
  for (const url of ['/orders', '//evil.example/orders', '/\\evil.example/orders']) {
    expect((await failed(asked({}, url))).code).toBe('wrong_origin')
  }
  expect((await failed(asked({ baseUrl: '/auth' }, '//evil.example/orders'))).code).toBe('wrong_origin')
})

test.each(['', '/auth'])(
  'a page whose <base> leads elsewhere sends nothing there, with the baseUrl %o',
  async (baseUrl) => {
    class PageRequest extends Request {
      constructor(input: RequestInfo | URL, init?: RequestInit) {
        super(input instanceof Request ? input : new URL(input, 'https://evil.example/'), init)
      }
    }
    vi.stubGlobal('Request', PageRequest)
    vi.stubGlobal('location', { origin: 'https://page.example.com' })
    onTestFinished(() => {
      vi.unstubAllGlobals()
    })
    const storage = memoryStorage()
    storage.set(kept())
    const sent: string[] = []
    const { auth } = listening({
      baseUrl,
      storage,
      fetch: (request) => {
        sent.push((request as Request).url)
        return Promise.resolve(new Response())
      },
    })
    await auth.me()
    await auth.login(someone())
    expect(sent).toEqual([
      `https://page.example.com${baseUrl}/api/users/me/`,
      `https://page.example.com${baseUrl}/api/users/login/token/`,
    ])
    expect((await failed(auth.fetch('/orders'))).code).toBe('wrong_origin')
  },
)

test('a redirect to another origin is followed without the token, and is no reason to refresh', async () => {
  const elsewhere = await ownApi()
  const there = await ownApi({
    '/away': ({ response }) => response.writeHead(307, { Location: `${elsewhere.origin}/suspicious` }).end(),
    '/orders/': ({ response }) => response.writeHead(308, { Location: '/orders' }).end(),
  })
  const { auth, refreshes, storage, token } = await loggedIn(there.origin)
  expect((await auth.fetch(`${there.origin}/away`, { method: 'POST', body: 'two' })).status).toBe(401)
  expect(there.seen).toEqual([`POST /away ${token()} two`])
  expect(elsewhere.seen).toEqual(['POST /suspicious none two'])
  expect(refreshes()).toBe(0)
  // Within the origin it goes along, and counts.
  spoil(storage)
  expect((await auth.fetch(`${there.origin}/orders/`)).status).toBe(200)
  expect(refreshes()).toBe(1)
})

test('an Authorization header of the caller’s is replaced', async () => {
  const api = await ownApi()
  const { auth, token } = await loggedIn(api.origin)
  const headers = { Authorization: 'Basic YWRhOmFkYQ==' }
  await auth.fetch(`${api.origin}/orders`, { headers })
  await auth.fetch(new Request(`${api.origin}/orders`, { headers }))
  expect(api.seen).toEqual([`GET /orders ${token()}`, `GET /orders ${token()}`])
})

test('what no request can be made of is a TypeError, as of fetch', async () => {
  const api = await ownApi()
  const { auth } = await loggedIn(api.origin)
  const used = new Request(`${api.origin}/orders`, { method: 'POST', body: 'two' })
  await used.text()
  const { host } = new URL(api.origin)
  const asked = [
    auth.fetch(used),
    auth.fetch(`http://ada:secret@${host}/orders`),
    auth.fetch('/orders'),
    auth.fetch(`${api.origin}/orders`, { body: 'of a GET' }),
    // Its header would be left out in silence.
    auth.fetch(`${api.origin}/orders`, { mode: 'no-cors' }),
  ]
  for (const each of asked) await expect(each).rejects.toBeInstanceOf(TypeError)
  expect(api.seen).toEqual([])
})

test('without a session nothing is sent', async () => {
  const api = await ownApi()
  const { auth } = listening({ apiOrigins: [api.origin] })
  expect((await failed(auth.fetch(`${api.origin}/orders`))).error).toEqual({ code: 'signed_out' })
  expect(await auth.getAccessToken()).toEqual({ ok: false, error: { code: 'signed_out' } })
  // Nor where the refresh has shown that there is none any more.
  const { auth: ended, storage } = await loggedIn(api.origin)
  storage.set(
    JSON.stringify({ ...(JSON.parse(storage.get() ?? '') as object), expires_in: 1, refresh_token: 'lkr_no' }),
  )
  expect((await failed(ended.fetch(`${api.origin}/orders`))).code).toBe('signed_out')
  expect(api.seen).toEqual([])
})

test('a call ends with a code, be it before the answer or while its body is read', async () => {
  const api = await ownApi()
  const { auth } = await loggedIn(api.origin)
  const broken = await failed(auth.fetch(`${api.origin}/broken`))
  expect(broken.error).toMatchObject({ code: 'network_error', cause: { name: 'TypeError' } })
  expect(broken.cause).toBe((broken.error as { cause: unknown }).cause)
  expect((await failed(auth.fetch(`${api.origin}/silent`, { timeout: 50 }))).error).toEqual({ code: 'timeout' })

  const giveUp = new AbortController()
  const silent = auth.fetch(`${api.origin}/silent`, { signal: giveUp.signal })
  const ofRequest = auth.fetch(new Request(`${api.origin}/silent`, { signal: giveUp.signal }))
  const half = await auth.fetch(`${api.origin}/halfway`, { signal: giveUp.signal, timeout: Infinity })
  const reading = half.text()
  giveUp.abort('enough')
  for (const asked of [silent, ofRequest])
    expect((await failed(asked)).error).toEqual({ code: 'aborted', cause: 'enough' })
  await expect(reading).rejects.toMatchObject({ name: 'AbortError' })

  const before = api.seen.length
  expect((await failed(auth.fetch(`${api.origin}/orders`, { signal: AbortSignal.abort() }))).code).toBe('aborted')
  expect(api.seen).toHaveLength(before)
})

test('a timeout gives the connection back', async () => {
  let closed: () => void = () => undefined
  const gone = new Promise<void>((resolve) => {
    closed = resolve
  })
  const api = await ownApi({ '/watched': ({ response }) => response.on('close', closed) })
  const { auth } = await loggedIn(api.origin)
  expect((await failed(auth.fetch(`${api.origin}/watched`, { timeout: 50 }))).code).toBe('timeout')
  await gone
})

test('what fails by itself leaves no listener on the caller’s signal', async () => {
  const { auth } = listening()
  const { signal } = new AbortController()
  await auth.me({ signal })
  await auth.login(someone(), { signal })
  await auth.getAccessToken({ signal })
  await failed(auth.fetch('https://api.example.com/orders', { signal }))
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
