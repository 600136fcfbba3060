import { expect, inject, onTestFinished, test, vi } from 'vitest'

import { createClient, memoryStorage, type AuthChange, type TokenStorage } from '../dist/index.js'
import { refresher, type Refresh } from '../src/refresh.ts'
import { openSessions, type Sessions } from '../src/session.ts'
import { counting, expire, kept, listeningTo, sharedLocks, someone } from './person.ts'

const token = {
  access_token: 'next',
  token_type: 'bearer',
  expires_in: 900,
  refresh_token: 'lkr_next',
  refresh_expires_in: 2_592_000,
} as const

/** Sessions of a tab in which a session has just expired, and what they tell. */
function expired(storage: TokenStorage = memoryStorage()): { sessions: Sessions; changes: AuthChange[] } {
  storage.set(kept({ access_token: 'old', since: Date.now() - 900_001 }))
  return tab(storage)
}

function tab(storage: TokenStorage): { sessions: Sessions; changes: AuthChange[] } {
  const sessions = openSessions(storage)
  const changes: AuthChange[] = []
  sessions.listen((change) => changes.push(change))
  return { sessions, changes }
}

/** A refresh that waits until it is let go. */
function held(answer: () => ReturnType<Refresh>): { refresh: Refresh; count: () => number; letGo: () => void } {
  let count = 0
  let letGo: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const refresh: Refresh = async () => {
    count++
    await gate
    return answer()
  }
  return { refresh, count: () => count, letGo }
}

test('all callers of a tab share one refresh', async () => {
  const { sessions, changes } = expired()
  const { refresh, count, letGo } = held(() => Promise.resolve(token))
  const session = refresher(sessions, refresh, undefined)
  const asked = Array.from({ length: 20 }, () => session())
  letGo()
  for (const answer of await Promise.all(asked)) expect(answer?.access_token).toBe('next')
  expect(count()).toBe(1)
  expect(changes).toEqual([])
  expect((await session())?.access_token).toBe('next')
  expect(count()).toBe(1)
})

test('all tabs share one refresh where there are Web Locks', async () => {
  const storage = { ...memoryStorage(), sharedAs: 'here' }
  const locks = sharedLocks()
  const { refresh, count, letGo } = held(() => Promise.resolve(token))
  const first = refresher(expired(storage).sessions, refresh, locks)
  const second = refresher(tab(storage).sessions, refresh, locks)
  const asked = [first(), second(), first(), second()]
  letGo()
  for (const answer of await Promise.all(asked)) expect(answer?.access_token).toBe('next')
  expect(count()).toBe(1)
})

test('a session that can not be refreshed has ended', async () => {
  const { sessions, changes } = expired()
  const session = refresher(sessions, () => Promise.resolve(null), undefined)
  expect(await session()).toBeNull()
  expect(changes).toEqual([{ type: 'signed_out', reason: 'refused' }])
})

test('a refresh without an answer is tried again by the next call', async () => {
  const storage = memoryStorage()
  storage.set(kept({ access_token: 'old', since: Date.now() - 895_000 }))
  const { sessions, changes } = tab(storage)
  let fails = true
  const session = refresher(
    sessions,
    () => (fails ? Promise.reject(new TypeError('no network')) : Promise.resolve(token)),
    undefined,
  )
  // Still good for some seconds, though not fresh.
  expect((await session())?.access_token).toBe('old')
  fails = false
  expect((await session())?.access_token).toBe('next')
  expect(changes).toEqual([])
})

test('a state is later than the one before, also where the clock was set back', () => {
  const storage = memoryStorage()
  const since = Date.now() + 3_600_000
  storage.set(kept({ since }))
  const { sessions } = tab(storage)
  const before = sessions.current()
  if (before) sessions.renew(before, token)
  expect(sessions.current()).toMatchObject({ access_token: 'next', since: since + 1 })
})

test('a logout during a refresh stands', async () => {
  const { sessions, changes } = expired()
  const { refresh, letGo } = held(() => Promise.resolve(token))
  const asked = refresher(sessions, refresh, undefined)()
  sessions.logout()
  letGo()
  expect(await asked).toBeNull()
  expect(sessions.current()).toBeNull()
  expect(changes).toEqual([{ type: 'signed_out', reason: 'logout' }])
})

test.each([token, null])('another login during a refresh stands, if it answers %o', async (answer) => {
  const { sessions, changes } = expired()
  const { refresh, letGo } = held(() => Promise.resolve(answer))
  const asked = refresher(sessions, refresh, undefined)()
  sessions.logout()
  sessions.opening()({ ...token, access_token: 'of-another' })
  letGo()
  expect((await asked)?.access_token).toBe('of-another')
  expect(sessions.current()?.access_token).toBe('of-another')
  expect(changes).toEqual([{ type: 'signed_out', reason: 'logout' }, { type: 'signed_in' }])
})

test('twenty calls at the moment of expiry make one refresh, and log nobody out', async () => {
  const storage = memoryStorage()
  const { auth, changes, refreshes } = counting(inject('url'), storage)
  const registered = await auth.register(someone())
  expire(storage)
  const answers = await Promise.all(Array.from({ length: 20 }, () => auth.me()))
  for (const answer of answers) expect(answer).toEqual(registered)
  expect(refreshes()).toBe(1)
  expect(changes).toEqual([{ type: 'signed_in' }])
})

test('a server whose access tokens are short-lived is asked on and on', async () => {
  const { auth, changes, refreshes } = counting(inject('shortUrl'), memoryStorage())
  const registered = await auth.register(someone())
  for (let i = 1; i <= 5; i++) {
    expect(await auth.me()).toEqual(registered)
    expect(refreshes()).toBe(i)
  }
  expect(changes).toEqual([{ type: 'signed_in' }])
})

test('an access token that is refused is refreshed, and the call sent again', async () => {
  const storage = memoryStorage()
  const { auth, changes, refreshes } = counting(inject('url'), storage)
  const registered = await auth.register(someone())
  storage.set(JSON.stringify({ ...(JSON.parse(storage.get() ?? '') as object), access_token: 'e30.e30.e30' }))
  const answers = await Promise.all(Array.from({ length: 20 }, () => auth.me()))
  for (const answer of answers) expect(answer).toEqual(registered)
  expect(refreshes()).toBe(1)
  expect(changes).toEqual([{ type: 'signed_in' }])
})

test('a refresh token that was used long ago ends the session', async () => {
  const storage = memoryStorage()
  const { auth, changes } = counting(inject('url'), storage)
  await auth.register(someone())
  const first = JSON.parse(storage.get() ?? '') as object
  for (let i = 0; i < 2; i++) {
    expire(storage)
    expect(await auth.me()).toMatchObject({ ok: true })
  }
  storage.set(JSON.stringify({ ...first, expires_in: 1 }))
  expect(await auth.me()).toMatchObject({ error: { code: 'not_authenticated' } })
  expect(changes).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'refused' }])
})

test('without a network a session is kept, also one whose access token has expired', async () => {
  vi.useFakeTimers()
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const storage = memoryStorage()
  storage.set(kept({ since: Date.now() - 900_001 }))
  const cause = new TypeError('no network')
  const fetch = () => Promise.reject(cause)
  const { auth, changes } = listeningTo(createClient({ baseUrl: inject('url'), storage, fetch }))
  const asked = auth.me()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await asked).toEqual({ ok: false, error: { code: 'network_error', cause } })
  expect(auth.isAuthenticated()).toBe(true)
  expect(changes).toEqual([])
})

test('a call can be given up while a refresh hangs', async () => {
  const storage = memoryStorage()
  storage.set(kept({ since: Date.now() - 900_001 }))
  const hang = () => new Promise<Response>(() => undefined)
  const { auth, changes } = listeningTo(createClient({ baseUrl: inject('url'), storage, fetch: hang }))
  const giveUp = new AbortController()
  const asked = auth.me({ signal: giveUp.signal })
  giveUp.abort()
  const aborted = { ok: false, error: { code: 'aborted', cause: { name: 'AbortError' } } }
  expect(await asked).toMatchObject(aborted)
  expect(await auth.me({ signal: AbortSignal.abort() })).toMatchObject(aborted)
  expect(changes).toEqual([])
})
