import { expect, inject, test } from 'vitest'

import { memoryStorage, type AuthChange, type TokenStorage } from '../dist/index.js'
import { connect } from '../src/index.ts'
import { refresher, type Locks, type Refresh } from '../src/refresh.ts'
import { Sessions } from '../src/session.ts'
import { someone } from './person.ts'

const token = { access_token: 'next', token_type: 'bearer', expires_in: 900 } as const

/** Sessions of a tab in which a session has just expired, and what they tell. */
function expired(storage: TokenStorage = memoryStorage()): { sessions: Sessions; changes: AuthChange[] } {
  storage.set(JSON.stringify({ accessToken: 'old', expiresAt: Date.now() - 1 }))
  return tab(storage)
}

function tab(storage: TokenStorage): { sessions: Sessions; changes: AuthChange[] } {
  const sessions = new Sessions(storage)
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
  const asked = Array.from({ length: 20 }, () => session())
  letGo()
  for (const answer of await Promise.all(asked)) expect(answer?.accessToken).toBe('next')
  expect(count()).toBe(1)
  expect(changes).toEqual([{ type: 'signed_in' }])
  expect((await session())?.accessToken).toBe('next')
  expect(count()).toBe(1)
})

test('all tabs share one refresh where there are Web Locks', async () => {
  const storage = memoryStorage()
  const locks = sharedLocks()
  const { refresh, count, letGo } = held(() => Promise.resolve(token))
  const first = refresher(expired(storage).sessions, refresh, locks)
  const second = refresher(tab(storage).sessions, refresh, locks)
  const asked = [first(), second(), first(), second()]
  letGo()
  for (const answer of await Promise.all(asked)) expect(answer?.accessToken).toBe('next')
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
  expect((await session())?.accessToken).toBe('old')
  fails = false
  expect((await session())?.accessToken).toBe('next')
  expect(changes).toEqual([{ type: 'signed_in' }])
})

test('a client with a means to refresh uses it before it asks', async () => {
  const baseUrl = inject('url')
  const storage = memoryStorage()
  const ada = someone()
  const first = connect({ baseUrl, storage })
  const registered = await first.register(ada)
  const good = JSON.parse(storage.get() ?? '') as { accessToken: string }
  storage.set(JSON.stringify({ accessToken: 'old', expiresAt: Date.now() - 1 }))
  const second = connect({ baseUrl, storage }, () => Promise.resolve({ ...token, access_token: good.accessToken }))
  const answers = await Promise.all(Array.from({ length: 20 }, () => second.me()))
  for (const answer of answers) expect(answer).toEqual(registered)
})
