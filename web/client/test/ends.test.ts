import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

import { expect, inject, onTestFinished, test, vi } from 'vitest'

import { account } from '../dist/account.js'
import { contract } from '../dist/contract.js'
import { cookieStorage, createClient, memoryStorage, type Client, type ClientOptions } from '../dist/index.js'
import type { Locks } from '../src/refresh.ts'
import { ownApi } from './api.ts'
import { counting, expire, kept, listening, listeningTo, someone } from './person.ts'

/** A server that gets no further than this. */
async function hanging(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const code = { request: 'a', code: '12345678' }

/** Every call that returns a result. */
const calls: [string, (auth: Client, baseUrl: string) => Promise<unknown>][] = [
  ['register', (auth) => auth.register(someone())],
  ['login', (auth) => auth.login(someone())],
  ['me', (auth) => auth.me()],
  ['delete', (auth) => account(auth).delete()],
  ['reauthenticate', (auth) => account(auth).reauthenticate({ factor: 'password', password: 'a' })],
  ['completeRegistration', (auth) => account(auth).completeRegistration(code)],
  ['continueLogin', (auth) => account(auth).continueLogin(code)],
  ['getAccessToken of an expired session', (auth) => auth.getAccessToken()],
  ['fetch', (auth, baseUrl) => auth.fetch(`${baseUrl}/orders`).catch((error: unknown) => error)],
  [
    'contract',
    (auth) =>
      contract(auth)
        .GET('/api/users/me/')
        .catch((error: unknown) => error),
  ],
]

test.each([
  ['never answers', false, () => undefined],
  ['stops in the midst of its answer', false, (_, response) => response.write('{"access_token": ')],
  ['never answers a refresh', true, () => undefined],
] satisfies [string, boolean, RequestListener][])(
  'every call ends where the server %s',
  async (_, isExpired, listener) => {
    const baseUrl = await hanging(listener)
    for (const [name, ask] of calls) {
      if (!isExpired && /getAccessToken|^fetch/.test(name)) continue
      const storage = memoryStorage()
      storage.set(kept(isExpired ? { since: Date.now() - 900_001 } : {}))
      const auth = createClient({ baseUrl, storage, timeout: 50 })
      const result = (await ask(auth, baseUrl)) as { error?: unknown }
      expect(result.error, name).toEqual({ code: 'timeout' })
      expect(auth.isAuthenticated(), name).toBe(true)
    }
  },
)

test('the end of a call is that of all it waits for, fifteen seconds unless said', async () => {
  vi.useFakeTimers()
  onTestFinished(() => {
    vi.useRealTimers()
  })
  // A fetch that takes no notice of its signal.
  const fetch = () => new Promise<Response>(() => undefined)
  const proof = { factor: 'password', password: 'a' } as const
  const waiting: ((auth: Client) => Promise<unknown>[])[] = [
    // For a refresh.
    (auth) => [auth.me(), auth.getAccessToken(), account(auth).reauthenticate(proof)],
    // For the logout, where the session is in a cookie.
    (auth) => [auth.logout(), auth.login(someone()), account(auth).continueLogin(code), auth.register(someone())],
  ]
  const inCookie = { refresh_token: undefined, refresh_expires_in: undefined }
  for (const [open, tokens] of [
    [memoryStorage, {}],
    [cookieStorage, inCookie],
  ] as const) {
    for (const [options, longest] of [
      [{}, 15_000],
      [{ timeout: 4000 }, 4000],
    ] satisfies [Partial<ClientOptions>, number][]) {
      for (const ask of waiting) {
        const storage = open()
        storage.set(kept({ since: Date.now() - 900_001, ...tokens }))
        const auth = createClient({ baseUrl: 'https://auth.example.com', storage, fetch, ...options })
        let over = 0
        const asked = ask(auth).map((each) => each.finally(() => over++))
        await vi.advanceTimersByTimeAsync(longest - 1)
        expect(over).toBe(0)
        await vi.advanceTimersByTimeAsync(1)
        expect(over).toBe(asked.length)
        auth.close()
      }
    }
  }
})

test('resume ends, too', async () => {
  const auth = createClient({
    baseUrl: await hanging(() => undefined),
    storage: cookieStorage('hanging'),
    timeout: 200,
  })
  expect(await auth.resume()).toBe(false)
})

test('a timeout that is longer than any timer is none', async () => {
  const { auth } = listening({ timeout: Infinity })
  expect(await auth.login(someone())).toMatchObject({ error: { code: 'invalid_credentials' } })
})

test('an aborted call fails with `aborted` and its reason, whatever the call waits for', async () => {
  const baseUrl = await hanging(() => undefined)
  for (const since of [Date.now(), Date.now() - 900_001]) {
    const storage = memoryStorage()
    storage.set(kept({ since }))
    const auth = createClient({ baseUrl, storage })
    const giveUp = new AbortController()
    const { signal } = giveUp
    const asked = [
      auth.me({ signal }),
      auth.login(someone(), { signal }),
      auth.register(someone(), { signal }),
      account(auth).events({ signal }),
      account(auth).completeRegistration(code, { signal }),
    ]
    giveUp.abort('enough')
    for (const each of asked) expect(await each).toEqual({ ok: false, error: { code: 'aborted', cause: 'enough' } })
    expect(await auth.getAccessToken({ signal })).toEqual({ ok: false, error: { code: 'aborted', cause: 'enough' } })
  }
})

test('without a network a call ends at once, and says so', async () => {
  vi.stubGlobal('navigator', { onLine: false })
  onTestFinished(() => {
    vi.unstubAllGlobals()
  })
  const storage = memoryStorage()
  storage.set(kept({ since: Date.now() - 900_001 }))
  let sent = 0
  const cause = new TypeError('Failed to fetch')
  const fetch = () => (sent++, Promise.reject(cause))
  const { auth, changes } = listening({ storage, fetch })
  const offline = { ok: false, error: { code: 'offline', cause } }
  // Not tried again, though a refresh would be.
  expect(await auth.me()).toEqual(offline)
  expect(sent).toBe(1)
  expect(await auth.login(someone())).toEqual(offline)
  expect(changes).toEqual([])
  // What a service worker or the machine itself answers is an answer.
  expect(await listening().auth.login(someone())).toMatchObject({ error: { code: 'invalid_credentials' } })
})

test('a tab that never gives the lock back costs the others some seconds, and one refresh', async () => {
  let thaw: () => void = () => undefined
  const frozen = new Promise<void>((resolve) => {
    thaw = resolve
  })
  let isGivenBack = false
  const locks: Locks = {
    request: (_, callback) =>
      frozen.then(callback).finally(() => {
        isGivenBack = true
      }),
  }
  vi.stubGlobal('navigator', { locks })
  onTestFinished(() => {
    vi.unstubAllGlobals()
  })
  const storage = { ...memoryStorage(), sharedAs: 'here' }
  const { auth, changes, refreshes } = counting(inject('url'), storage)
  onTestFinished(() => {
    auth.close()
  })
  const registered = await auth.register(someone())
  expire(storage)
  for (const answer of await Promise.all([auth.me(), auth.me()])) expect(answer).toEqual(registered)
  // The lock that comes later is given back at once.
  thaw()
  await vi.waitFor(() => {
    expect(isGivenBack).toBe(true)
  })
  expect(refreshes()).toBe(1)
  expect(changes).toEqual([{ type: 'signed_in' }])
})

/** A client that never refreshes, of somebody's session, and what it sends. */
async function never(worsen: (session: object) => object) {
  const registering = memoryStorage()
  await createClient({ baseUrl: inject('url'), storage: registering }).register(someone())
  const storage = memoryStorage()
  storage.set(JSON.stringify(worsen(JSON.parse(registering.get() ?? '') as object)))
  const before = storage.get()
  const api = await ownApi()
  const sent: string[] = []
  const send = (input: RequestInfo | URL) => {
    sent.push(new URL((input as Request).url).pathname)
    return fetch(input)
  }
  const { auth, changes } = listeningTo(
    createClient({ baseUrl: inject('url'), storage, refresh: 'never', fetch: send, apiOrigins: [api.origin] }),
  )
  const isUntouched = () => {
    expect(storage.get()).toBe(before)
    expect(auth.isAuthenticated()).toBe(true)
    expect(changes).toEqual([])
  }
  return { auth, api, sent, isUntouched }
}

test('a client that never refreshes reports an expired access token, sends nothing and ends nothing', async () => {
  const { auth, api, sent, isUntouched } = await never((session) => ({ ...session, since: Date.now() - 900_001 }))
  const stale = { ok: false, error: { code: 'session_stale' } }
  expect(await auth.me()).toEqual(stale)
  expect(await account(auth).read()).toEqual(stale)
  expect(await account(auth).reauthenticate({ factor: 'password', password: 'a' })).toEqual(stale)
  expect(await auth.getAccessToken()).toEqual(stale)
  await expect(auth.fetch(`${api.origin}/orders`)).rejects.toMatchObject({ code: 'session_stale' })
  await expect(contract(auth).GET('/api/users/me/')).rejects.toMatchObject({ code: 'session_stale' })
  expect(await auth.resume()).toBe(true)
  expect(sent).toEqual([])
  isUntouched()
})

test('a client that never refreshes uses an access token to its end, and sends it once', async () => {
  const almost = await never((session) => ({ ...session, since: Date.now() - 895_000 }))
  expect(await almost.auth.me()).toMatchObject({ ok: true })
  expect((await almost.auth.fetch(`${almost.api.origin}/orders`)).status).toBe(200)
  expect(almost.sent).toEqual(['/api/users/me/', '/orders'])
  almost.isUntouched()

  const refused = await never((session) => ({ ...session, access_token: 'e30.e30.e30' }))
  expect(await refused.auth.me()).toMatchObject({ error: { code: 'invalid_token' } })
  expect((await refused.auth.fetch(`${refused.api.origin}/orders`)).status).toBe(401)
  expect(refused.sent).toEqual(['/api/users/me/', '/orders'])
  refused.isUntouched()
})

test('a client that never refreshes resumes no session of a cookie', async () => {
  const fetch = vi.fn<typeof globalThis.fetch>()
  const { auth } = listening({ storage: cookieStorage('never'), refresh: 'never', fetch })
  expect(await auth.resume()).toBe(false)
  expect(fetch).not.toHaveBeenCalled()
})

test('who never refreshes uses a token that a machine whose clock is a little ahead has just received', async () => {
  const storage = memoryStorage()
  storage.set(kept({ since: Date.now() + 4000 }))
  const auth = createClient({ baseUrl: inject('url'), storage, refresh: 'never' })
  expect(await auth.getAccessToken()).toEqual({ ok: true, data: 'e30.e30.e30' })
  storage.set(kept({ since: Date.now() + 3_600_000 }))
  expect(await auth.getAccessToken()).toEqual({ ok: false, error: { code: 'session_stale' } })
})
