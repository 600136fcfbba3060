import { expect, inject, onTestFinished, test, vi } from 'vitest'

import { createClient, memoryStorage, type AuthChange, type TokenStorage } from '../dist/index.js'
import { createRefreshingClient } from '../src/index.ts'
import { refresher, type Locks, type Refresh } from '../src/refresh.ts'
import { Sessions } from '../src/session.ts'
import { listeningTo, someone } from './person.ts'

const token = { access_token: 'next', token_type: 'bearer', expires_in: 900 } as const
const patient = new AbortController().signal

/** Sessions of a tab in which a session has just expired, and what they tell. */
function expired(storage: TokenStorage = memoryStorage()): { sessions: Sessions; changes: AuthChange[] } {
  storage.set(JSON.stringify({ accessToken: 'old', expiresAt: Date.now() - 1 }))
  return tab(storage)
}

function tab(storage: TokenStorage): { sessions: Sessions; changes: AuthChange[] } {
  const sessions = new Sessions(storage, true)
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

/** Web Locks, as all tabs of an origin share them. Node 20 has none. */
function sharedLocks(): Locks {
  const last = new Map<string, Promise<unknown>>()
  return {
    request: (name, callback) => {
      const turn = (last.get(name) ?? Promise.resolve()).then(callback)
      last.set(
        name,
        turn.catch(() => undefined),
      )
      return turn
    },
  }
}

test('all callers of a tab share one refresh', async () => {
  const { sessions, changes } = expired()
  const { refresh, count, letGo } = held(() => Promise.resolve(token))
  const session = refresher(sessions, refresh, undefined)
  const asked = Array.from({ length: 20 }, () => session(patient))
  letGo()
  for (const answer of await Promise.all(asked)) expect(answer?.accessToken).toBe('next')
  expect(count()).toBe(1)
  expect(changes).toEqual([])
  expect((await session(patient))?.accessToken).toBe('next')
  expect(count()).toBe(1)
})

test('all tabs share one refresh where there are Web Locks', async () => {
  const storage = memoryStorage()
  const locks = sharedLocks()
  const { refresh, count, letGo } = held(() => Promise.resolve(token))
  const first = refresher(expired(storage).sessions, refresh, locks)
  const second = refresher(tab(storage).sessions, refresh, locks)
  const asked = [first(patient), second(patient), first(patient), second(patient)]
  letGo()
  for (const answer of await Promise.all(asked)) expect(answer?.accessToken).toBe('next')
  expect(count()).toBe(1)
})

test('a session that can not be refreshed has ended', async () => {
  const { sessions, changes } = expired()
  const session = refresher(sessions, () => Promise.resolve(null), undefined)
  expect(await session(patient)).toBeNull()
  expect(changes).toEqual([{ type: 'signed_out', reason: 'refused' }])
})

test('a refresh without an answer is tried again by the next call', async () => {
  const storage = memoryStorage()
  const soon = Date.now() + 5_000
  storage.set(JSON.stringify({ accessToken: 'old', expiresAt: soon }))
  const { sessions, changes } = tab(storage)
  let fails = true
  const session = refresher(
    sessions,
    () => (fails ? Promise.reject(new TypeError('no network')) : Promise.resolve(token)),
    undefined,
  )
  // Still good for some seconds, though not fresh.
  expect((await session(patient))?.accessToken).toBe('old')
  fails = false
  expect((await session(patient))?.accessToken).toBe('next')
  expect(changes).toEqual([])
})

test('a logout during a refresh stands', async () => {
  const { sessions, changes } = expired()
  const { refresh, letGo } = held(() => Promise.resolve(token))
  const asked = refresher(sessions, refresh, undefined)(patient)
  sessions.logout()
  letGo()
  expect(await asked).toBeNull()
  expect(sessions.current()).toBeNull()
  expect(changes).toEqual([{ type: 'signed_out', reason: 'logout' }])
})

test.each([token, null])('another login during a refresh stands, if it answers %o', async (answer) => {
  const { sessions, changes } = expired()
  const { refresh, letGo } = held(() => Promise.resolve(answer))
  const asked = refresher(sessions, refresh, undefined)(patient)
  sessions.logout()
  sessions.begin({ ...token, access_token: 'of another' }, sessions.logouts)
  letGo()
  expect((await asked)?.accessToken).toBe('of another')
  expect(sessions.current()?.accessToken).toBe('of another')
  expect(changes).toEqual([{ type: 'signed_out', reason: 'logout' }, { type: 'signed_in' }])
})

test('a refresh that hangs is given up, and another tab may try', async () => {
  vi.useFakeTimers()
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const storage = memoryStorage()
  const locks = sharedLocks()
  let given: AbortSignal | undefined
  const hangs: Refresh = (_, signal) => {
    given = signal
    return new Promise(() => undefined)
  }
  const { sessions, changes } = expired(storage)
  const first = refresher(sessions, hangs, locks)(patient)
  const { refresh, letGo } = held(() => Promise.resolve(token))
  const second = refresher(tab(storage).sessions, refresh, locks)(patient)
  const failed = expect(first).rejects.toMatchObject({ name: 'TimeoutError' })
  await vi.advanceTimersByTimeAsync(29_999)
  expect(given?.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(given?.aborted).toBe(true)
  await failed
  letGo()
  expect((await second)?.accessToken).toBe('next')
  expect(changes).toEqual([])
  expect(vi.getTimerCount()).toBe(0)
})

test('a session that has expired is kept until a refresh was answered', async () => {
  const { storage, good, registered } = await expiredAtServer()
  let fails = true
  const refresh: Refresh = () => (fails ? Promise.reject(new TypeError('no network')) : Promise.resolve(good))
  const { auth, changes } = listeningTo(createRefreshingClient({ baseUrl: inject('url'), storage }, refresh))
  expect(auth.isAuthenticated()).toBe(true)
  expect(await auth.me()).toMatchObject({ error: { code: 'network_error', cause: { message: 'no network' } } })
  expect(auth.isAuthenticated()).toBe(true)
  fails = false
  expect(await auth.me()).toEqual(registered)
  expect(changes).toEqual([])
})

test('a call can be given up while a refresh hangs', async () => {
  const { storage } = await expiredAtServer()
  const { auth, changes } = listeningTo(
    createRefreshingClient({ baseUrl: inject('url'), storage }, () => new Promise(() => undefined)),
  )
  const giveUp = new AbortController()
  const asked = auth.me({ signal: giveUp.signal })
  giveUp.abort()
  const aborted = { ok: false, error: { code: 'network_error', cause: { name: 'AbortError' } } }
  expect(await asked).toMatchObject(aborted)
  expect(await auth.me({ signal: AbortSignal.abort() })).toMatchObject(aborted)
  expect(changes).toEqual([])
})

test('a client with a means to refresh uses it before it asks', async () => {
  const { storage, good, registered } = await expiredAtServer()
  const auth = createRefreshingClient({ baseUrl: inject('url'), storage }, () => Promise.resolve(good))
  const answers = await Promise.all(Array.from({ length: 20 }, () => auth.me()))
  for (const answer of answers) expect(answer).toEqual(registered)
})

/** A storage with the session of a new user that has expired, and the token that a refresh of it would give. */
async function expiredAtServer() {
  const storage = memoryStorage()
  const registered = await createClient({ baseUrl: inject('url'), storage }).register(someone())
  const { accessToken } = JSON.parse(storage.get() ?? '') as { accessToken: string }
  storage.set(JSON.stringify({ accessToken: 'old', expiresAt: Date.now() - 1 }))
  return { storage, registered, good: { ...token, access_token: accessToken } }
}
