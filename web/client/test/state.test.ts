import { expect, inject, onTestFinished, test, vi } from 'vitest'

import { account } from '../dist/account.js'
import { createClient, memoryStorage, type TokenStorage, type User } from '../dist/index.js'
import { browserStorage, counting, expire, kept, listening, listeningTo, someone, webStorageOf } from './person.ts'

/** Sets the clock forward, or back where `ms` is negative. */
function setClock(ms: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })
  onTestFinished(() => {
    vi.useRealTimers()
  })
}

/** The status that the server has for the access token of what was kept. */
async function statusOf(session: string | null): Promise<number> {
  const { access_token } = JSON.parse(session ?? '') as { access_token: string }
  const answer = await fetch(`${inject('url')}/api/users/me/`, { headers: { Authorization: `Bearer ${access_token}` } })
  return answer.status
}

test('a session from before the clock was set back is refreshed once', async () => {
  const { auth, told, refreshes } = counting(inject('url'), memoryStorage())
  const registered = await auth.register(someone())
  setClock(-3_600_000)
  for (let i = 0; i < 3; i++) expect(await auth.me()).toEqual(registered)
  expect(refreshes()).toBe(1)
  expect(told).toEqual([{ type: 'signed_in' }, { type: 'token_refreshed' }])
  // The other way round it has expired.
  setClock(3_600_000)
  expect(await auth.me()).toEqual(registered)
  expect(refreshes()).toBe(2)
})

test('a token that was refused is not sent again, also where the clock was set back and no refresh succeeds', async () => {
  const storage = memoryStorage()
  storage.set(kept({ since: Date.now() - 1000 }))
  const sent: string[] = []
  const { auth, changes } = listening({
    storage,
    fetch: (input) => {
      const { url, headers } = input as Request
      sent.push(url.endsWith('/login/token/') ? 'refresh' : (headers.get('Authorization') ?? 'none'))
      const code = url.endsWith('/login/token/') ? 'rate_limited' : 'invalid_token'
      const status = code === 'rate_limited' ? 429 : 401
      return Promise.resolve(Response.json({ code, status, detail: 'No.' }, { status }))
    },
  })
  expect(await auth.me()).toMatchObject({ error: { code: 'invalid_token' } })
  expect(await auth.me()).toMatchObject({ error: { code: 'rate_limited' } })
  expect(sent).toEqual(['Bearer e30.e30.e30', 'refresh', 'refresh'])
  expect(auth.isAuthenticated()).toBe(true)
  expect(changes).toEqual([])
})

test.each([
  ['cleared', null],
  ['damaged', '{"access_token":"e30.e3'],
  ['another application’s', '{"theme":"dark"}'],
])('a session whose entry is %s is reported as lost, and ended at the server by a logout', async (_, text) => {
  const map = new Map<string, string>()
  const { auth, changes } = listening({ storage: webStorageOf(browserStorage(map)) })
  await auth.register(someone())
  const session = map.get('latchkey') ?? null
  map.clear()
  if (text !== null) map.set('latchkey', text)
  // A getter calls no listener.
  expect([auth.isAuthenticated(), auth.user]).toEqual([false, null])
  expect(changes).toEqual([{ type: 'signed_in' }])
  expect(await auth.me()).toMatchObject({ error: { code: 'not_authenticated' } })
  expect(changes).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'lost' }])
  expect(await statusOf(session)).toBe(200)
  await auth.logout()
  expect(await statusOf(session)).toBe(401)
  expect(map.get('latchkey') ?? null).toBe(text)
  expect(changes).toHaveLength(2)
})

test('a logout right after the storage was cleared is one, as is a login', async () => {
  const map = new Map<string, string>()
  const { auth, changes } = listening({ storage: webStorageOf(browserStorage(map)) })
  const ada = someone()
  await auth.register(ada)
  let session = map.get('latchkey') ?? null
  map.clear()
  await auth.logout()
  expect(await statusOf(session)).toBe(401)
  expect(changes.splice(0)).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'logout' }])

  await auth.login(ada)
  session = map.get('latchkey') ?? null
  map.clear()
  await auth.login(ada)
  await expect.poll(() => statusOf(session)).toBe(401)
  expect(await auth.me()).toMatchObject({ ok: true })
})

test('the user of a session is known after a registration, and after the first answer of a login', async () => {
  const storage = memoryStorage()
  const { auth, told } = listening({ storage })
  const seen: (User | null)[] = []
  auth.onAuthChange(() => seen.push(auth.user))
  const ada = someone()
  const registered = await auth.register(ada)
  const user = registered.ok ? registered.data : null
  expect(auth.user).toEqual(user)
  expect(auth.user).toBe(auth.user)
  await auth.logout()
  expect(auth.user).toBeNull()
  await auth.login(ada)
  expect(auth.user).toBeNull()
  await auth.me()
  const known = auth.user
  expect(known).toEqual(user)
  expire(storage)
  await auth.me()
  expect(auth.user).toBe(known)
  const types = ['signed_in', 'signed_out', 'signed_in', 'user_updated', 'token_refreshed']
  expect(told.map(({ type }) => type)).toEqual(types)
  expect(told[3]).toEqual({ type: 'user_updated', user })
  // What a listener sees is what it is told of.
  expect(seen).toEqual([user, null, null, user, user])

  const updated = await account(auth).update({ display_name: 'Ada' })
  expect(updated).toMatchObject({ data: { user: { display_name: 'Ada' } } })
  expect(auth.user?.display_name).toBe('Ada')
  expect(told.at(-1)).toMatchObject({ type: 'user_updated', user: { display_name: 'Ada' } })
  // It outlives the page.
  expect(createClient({ baseUrl: inject('url'), storage }).user).toEqual(auth.user)
})

test.each<[string, () => [TokenStorage, TokenStorage]]>([
  [
    'one object',
    () => {
      const storage: TokenStorage = { ...memoryStorage() }
      return [storage, storage]
    },
  ],
  [
    'one storage of the browser',
    () => {
      const storage = browserStorage()
      return [webStorageOf(storage, 'local'), webStorageOf(storage, 'local')]
    },
  ],
])('two clients of one page with %s hear each other', async (_, storages) => {
  const [first, second] = storages().map((storage) => listening({ storage }))
  if (!first || !second) throw new Error('two')
  const ada = someone()
  const registered = await first.auth.register(ada)
  expect(second.auth.user).toEqual(registered.ok && registered.data)
  await second.auth.login(ada)
  await second.auth.me()
  const bob = await second.auth.register(someone())
  expect(first.auth.user).toEqual(bob.ok && bob.data)
  await first.auth.logout()
  const types = ['signed_in', 'signed_in', 'user_updated', 'signed_in', 'signed_out']
  for (const { told } of [first, second]) expect(told.map(({ type }) => type)).toEqual(types)
  second.auth.close()
  await first.auth.login(ada)
  expect(second.told).toHaveLength(types.length)
})

test('a session that another client’s call has found refused is reported as refused, and an answer for a former user is not kept with the next', async () => {
  const storage = memoryStorage()
  const bob = someone()
  let meanwhile: () => Promise<unknown> = () => Promise.resolve()
  const send = async (input: RequestInfo | URL) => {
    const answer = await fetch(input)
    if ((input as Request).url.endsWith('/me/')) await meanwhile()
    return answer
  }
  const first = listening({ storage, fetch: send })
  const second = listening({ storage })
  await createClient({ baseUrl: inject('url') }).register(bob)
  const ada = await first.auth.register(someone())
  meanwhile = () => second.auth.login(bob)
  expect(await first.auth.me()).toEqual(ada)
  expect([first.auth.user, second.auth.user]).toEqual([null, null])
  meanwhile = () => Promise.resolve()
  expect(await first.auth.me()).toMatchObject({ data: { email: bob.email } })
  expect(second.auth.user?.email).toBe(bob.email)

  const { access_token } = JSON.parse(storage.get() ?? '') as { access_token: string }
  await fetch(`${inject('url')}/api/users/me/sessions/`, {
    method: 'DELETE',
    headers: { Authorization: `Bearer ${access_token}` },
  })
  expect(await second.auth.me()).toMatchObject({ ok: false })
  expect(first.changes.at(-1)).toEqual({ type: 'signed_out', reason: 'refused' })
})

test('a getter calls no listener and writes nothing, also where the session has expired', () => {
  const storage = memoryStorage()
  const text = kept({ refresh_expires_in: 60 })
  storage.set(text)
  const { auth, told } = listening({ storage })
  expect(auth.isAuthenticated()).toBe(true)
  setClock(60_000)
  expect([auth.isAuthenticated(), auth.user]).toEqual([false, null])
  expect(told).toEqual([])
  expect(storage.get()).toBe(text)
})

test('the user stays known where the storage is too small for it', async () => {
  const memory = memoryStorage()
  const set = (text: string) => {
    memory.set(JSON.stringify({ ...(JSON.parse(text) as object), user: undefined }))
  }
  const { auth, told } = listening({ storage: { ...memory, set } })
  const registered = await auth.register(someone())
  expect(auth.user).toEqual(registered.ok && registered.data)
  expect(await auth.me()).toEqual(registered)
  expect(auth.user).toEqual(registered.ok && registered.data)
  expect(memory.get()).not.toContain('@example.com')
  expect(told).toEqual([{ type: 'signed_in' }])
})

test('a storage that is full without the user keeps the session, and no token that was used', async () => {
  const memory = memoryStorage()
  const set = (text: string) => {
    if (text.includes('"user"')) throw new DOMException('full', 'QuotaExceededError')
    memory.set(text)
  }
  const storage = { ...memory, set }
  const first = listening({ storage })
  const registered = await first.auth.register(someone())
  expect(first.auth.user).toEqual(registered.ok && registered.data)
  first.auth.close()
  expire(memory)

  const { auth, told } = listening({ storage })
  expect(await auth.me()).toEqual(registered)
  expect(auth.user).toEqual(registered.ok && registered.data)
  expect(told.map(({ type }) => type)).toEqual(['token_refreshed', 'user_updated'])
  auth.close()
  expect(await listening({ storage }).auth.me()).toEqual(registered)
})

test.each([
  ['none', {}],
  ['one that lacks what this release knows of users', { user: { id: '1', email: 'ada@example.com' } }],
])('a session that another release has kept goes on, with %s of its user', async (_, change) => {
  const storage = memoryStorage()
  const first = counting(inject('url'), storage)
  const registered = await first.auth.register(someone())
  const { login, since, user, ...token } = JSON.parse(storage.get() ?? '') as Record<string, unknown>
  expect(user).toEqual(registered.ok && registered.data)
  first.auth.close()
  storage.set(JSON.stringify({ ...token, login, since, ...change }))
  expire(storage)

  const { auth, told } = listeningTo(createClient({ baseUrl: inject('url'), storage }))
  expect([auth.isAuthenticated(), auth.user]).toEqual([true, null])
  expect(await auth.me()).toEqual(registered)
  expect(told.map(({ type }) => type)).toEqual(['token_refreshed', 'user_updated'])
})
