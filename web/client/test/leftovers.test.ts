import { expect, inject, onTestFinished, test, vi } from 'vitest'

import { contract } from '../dist/contract.js'
import { createClient, memoryStorage } from '../dist/index.js'
import { browserStorage, expire, kept, listening, someone, webStorageOf } from './person.ts'

/** A client that keeps a list of the tokens that it is given, and what it does with each answer before it is told. */
function watched(meanwhile: () => Promise<unknown> = () => Promise.resolve()) {
  const given: string[] = []
  const send = async (input: RequestInfo | URL) => {
    const answer = await fetch(input)
    const text = await answer.clone().text()
    const found = /"access_token":"([^"]+)"/.exec(text)?.[1]
    if (found !== undefined) given.push(found)
    await meanwhile()
    return answer
  }
  return { ...listening({ fetch: send }), given }
}

/** The status that the server has for a token. */
async function statusOf(token: string | undefined): Promise<number> {
  const answer = await fetch(`${inject('url')}/api/users/me/`, { headers: { Authorization: `Bearer ${token ?? ''}` } })
  return answer.status
}

test('a login or a registration that a logout has overtaken leaves no session at the server', async () => {
  const { auth, given } = watched(() => auth.logout())
  const ada = someone()
  expect(await auth.register(ada)).toMatchObject({ ok: true })
  expect(await auth.login(ada)).toMatchObject({ ok: true })
  expect(given).toHaveLength(2)
  for (const token of given) await expect.poll(() => statusOf(token)).toBe(401)
})

test('a login that replaces a session ends that one at the server', async () => {
  const { auth, given } = watched()
  const ada = someone()
  await auth.register(ada)
  await auth.login(ada)
  await auth.login(ada)
  for (const token of given.slice(0, 2)) await expect.poll(() => statusOf(token)).toBe(401)
  expect(given).toHaveLength(3)
  expect(await statusOf(given[2])).toBe(200)
  expect(await auth.me()).toMatchObject({ ok: true })
})

test('a login succeeds though what it replaces can not be ended', async () => {
  const send = (input: RequestInfo | URL) =>
    (input as Request).url.endsWith('/revoke/') ? Promise.reject(new TypeError('no network')) : fetch(input)
  const { auth } = listening({ fetch: send })
  const ada = someone()
  await auth.register(ada)
  expect(await auth.login(ada)).toMatchObject({ ok: true })
  expect(await auth.me()).toMatchObject({ ok: true })
})

const problem = (status: number, body: object) =>
  Response.json(
    { status, detail: 'No.', ...body },
    { status, headers: { 'X-Request-Id': 'of-the-refresh', 'Retry-After': '40' } },
  )

test.each([
  [429, 'rate_limited'],
  [408, 'request_timeout'],
])(
  'a call whose session can not be refreshed now fails with what the refresh was answered: %i %s',
  async (status, code) => {
    const storage = memoryStorage()
    storage.set(kept({ since: Date.now() - 900_001 }))
    const { auth, changes } = listening({ storage, fetch: () => Promise.resolve(problem(status, { code })) })
    const error = { code, status, detail: 'No.', requestId: 'of-the-refresh', retryAfter: 40 }
    expect(await auth.me()).toEqual({ ok: false, error })
    await expect(contract(auth).GET('/api/users/me/')).rejects.toMatchObject({
      name: 'AuthError',
      message: code,
      code,
      error,
    })
    expect(auth.isAuthenticated()).toBe(true)
    expect(changes).toEqual([])
  },
)

test.each([
  [503, 'unavailable', 'unavailable'],
  [503, 'overloaded', 'overloaded'],
  [500, 'internal_error', 'internal_error'],
  [422, 'invalid_request', 'unexpected_answer'],
  [400, 'unsupported_grant_type', 'unexpected_answer'],
  [401, 'invalid_credentials', 'unexpected_answer'],
])('a refresh that is answered %i %s makes the call fail with %s', async (status, code, told) => {
  vi.useFakeTimers()
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const storage = memoryStorage()
  storage.set(kept({ since: Date.now() - 900_001 }))
  const { auth, changes } = listening({ storage, fetch: () => Promise.resolve(problem(status, { code })) })
  const asked = auth.me()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await asked).toMatchObject({ error: { code: told, status, requestId: 'of-the-refresh' } })
  expect(auth.isAuthenticated()).toBe(true)
  expect(changes).toEqual([])
})

/** Asks with a token that is refused, then with another. Of a body nothing is known, as in Firefox. */
async function refusedOnce(body?: object): Promise<string[]> {
  const hidden = Object.getOwnPropertyDescriptor(Request.prototype, 'body') ?? {}
  Object.defineProperty(Request.prototype, 'body', { ...hidden, get: () => undefined })
  onTestFinished(() => {
    Object.defineProperty(Request.prototype, 'body', hidden)
  })
  const seen: string[] = []
  const storage = memoryStorage()
  storage.set(kept({ access_token: 'old' }))
  const send = async (input: RequestInfo | URL) => {
    const request = input as Request
    const text = await request.text()
    if (request.url.endsWith('/login/token/')) return Response.json(JSON.parse(kept({ access_token: 'new' })))
    seen.push(`${request.headers.get('Authorization') ?? 'none'} ${text}`)
    return problem(request.headers.get('Authorization') === 'Bearer old' ? 401 : 200, { code: 'invalid_token' })
  }
  const { auth } = listening({ storage, fetch: send })
  const options = body && { body, params: {} }
  await contract(auth).POST('/api/users/logout/', options as never)
  return seen
}

test('a call that was refused is sent again with the next token, and with its body', async () => {
  expect(await refusedOnce()).toEqual(['Bearer old ', 'Bearer new '])
  expect(await refusedOnce({ all: true })).toEqual(['Bearer old {"all":true}', 'Bearer new {"all":true}'])
})

test('a client that is closed holds on to nothing, and leaves the session', async () => {
  const removed: string[] = []
  vi.stubGlobal('addEventListener', () => undefined)
  vi.stubGlobal('removeEventListener', (type: string) => removed.push(type))
  const closed = vi.spyOn(BroadcastChannel.prototype, 'close')
  onTestFinished(() => {
    vi.unstubAllGlobals()
    closed.mockRestore()
  })
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const storage = webStorageOf(browserStorage())
  const answer = () => Promise.resolve(new Response(kept({ access_token: 'of-the-login' })))
  const { auth, changes } = listening({ storage, fetch: answer })
  await auth.login(someone())
  expect(vi.getTimerCount()).toBe(1)
  auth.close()
  auth.close()
  expect(vi.getTimerCount()).toBe(0)
  expect(removed).toEqual(['storage', 'pageshow', 'storage', 'pageshow'])
  expect(closed).toHaveBeenCalledTimes(1)
  expect(storage.get()).toContain('of-the-login')
  // It still serves, and waits for nothing afterwards.
  expect(await auth.login(someone())).toMatchObject({ ok: true })
  expect(auth.isAuthenticated()).toBe(true)
  // The server is told meanwhile that the session before has ended.
  await vi.advanceTimersByTimeAsync(0)
  expect(vi.getTimerCount()).toBe(0)
  expect(changes).toEqual([{ type: 'signed_in' }])
})

test('a client of a web storage does not keep Node from ending', () => {
  const held = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length
  const before = held()
  const storage = webStorageOf(browserStorage())
  storage.set(kept())
  const auth = createClient({ baseUrl: inject('url'), storage })
  onTestFinished(() => {
    auth.close()
  })
  expire(storage)
  expect(auth.isAuthenticated()).toBe(true)
  expect(held()).toBe(before)
})
