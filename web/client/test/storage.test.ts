import { expect, onTestFinished, test, vi } from 'vitest'

import { createClient, memoryStorage, type TokenStorage } from '../dist/index.js'
import { browserStorage, expire, kept, listening, someone, webStorageOf } from './person.ts'

/** What a browser tells the other tabs. */
function tellOfChange(storage: Storage, key: string | null): void {
  globalThis.dispatchEvent(Object.assign(new Event('storage'), { storageArea: storage, key }))
}

test('a session outlives the page in a web storage', async () => {
  const storage = browserStorage()
  const first = listening({ storage: webStorageOf(storage) })
  const ada = someone()
  await first.auth.register(ada)
  const second = listening({ storage: webStorageOf(storage) })
  expect(second.auth.isAuthenticated()).toBe(true)
  expect(await second.auth.me()).toMatchObject({ ok: true, data: { email: ada.email } })
  expect(storage.getItem('latchkey')).not.toContain(ada.password)
  await second.auth.logout()
  expect(storage.length).toBe(0)
})

test('another tab is told when a session begins and ends', async () => {
  const storage = browserStorage()
  const here = listening({ storage: webStorageOf(storage) })
  const there = listening({ storage: webStorageOf(storage) })
  await there.auth.register(someone())
  tellOfChange(storage, 'latchkey')
  await there.auth.logout()
  tellOfChange(storage, null)
  tellOfChange(storage, 'something else')
  tellOfChange(browserStorage(), 'latchkey')
  expect(here.changes).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'logout' }])
})

test('another tab’s refresh is no change, and another login is one', () => {
  const storage = browserStorage()
  const here = listening({ storage: webStorageOf(storage) })
  const changedThere = (change: object) => {
    storage.setItem('latchkey', kept(change))
    tellOfChange(storage, 'latchkey')
  }
  changedThere({ access_token: 'first', login: 1 })
  expect(here.changes).toEqual([{ type: 'signed_in' }])
  changedThere({ access_token: 'first', login: 1 })
  changedThere({ access_token: 'refreshed', login: 1 })
  expect(here.changes).toEqual([{ type: 'signed_in' }])
  changedThere({ access_token: 'of-another', login: 2 })
  expect(here.changes).toEqual([{ type: 'signed_in' }, { type: 'signed_in' }])
})

test('a session that another tab has dropped since it had expired is told as expired', () => {
  fakeClock('Date')
  const storage = browserStorage()
  storage.setItem('latchkey', kept({ refresh_expires_in: 60 }))
  const here = listening({ storage: webStorageOf(storage) })
  vi.advanceTimersByTime(60_000)
  storage.removeItem('latchkey')
  tellOfChange(storage, 'latchkey')
  expect(here.changes).toEqual([{ type: 'signed_out', reason: 'expired' }])
})

test('a session ends when its time comes, however late that is', () => {
  fakeClock('Date', 'setTimeout', 'clearTimeout')
  const began = Date.now()
  const days = 40 * 24 * 60 * 60 * 1000
  const storage = memoryStorage()
  storage.set(kept({ refresh_expires_in: days / 1000 }))
  const { changes } = listening({ storage })
  vi.advanceTimersToNextTimer()
  // The longest that a timer can wait.
  expect(Date.now() - began).toBe(2 ** 31 - 1)
  expect(changes).toEqual([])
  vi.advanceTimersToNextTimer()
  expect(Date.now() - began).toBe(days)
  expect(changes).toEqual([{ type: 'signed_out', reason: 'expired' }])
  expect(vi.getTimerCount()).toBe(0)
})

test('a session that has not expired does not keep Node from ending', () => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const storage = memoryStorage()
  storage.set(kept())
  const before = timers()
  const { auth } = listening({ storage })
  expect(auth.isAuthenticated()).toBe(true)
  expect(timers()).toBe(before)
})

function fakeClock(...toFake: ('Date' | 'setTimeout' | 'clearTimeout')[]): void {
  vi.useFakeTimers({ toFake })
  onTestFinished(() => {
    vi.useRealTimers()
  })
}

test.each([
  '',
  'nonsense',
  'null',
  '[]',
  '{"accessToken": "of an older client", "expiresAt": 1795475318000}',
  kept({ access_token: 1 }),
  kept({ refresh_token: undefined }),
  kept({ refresh_expires_in: 'long' }),
  kept({ since: 'then' }),
])('what is no session counts as none: %s', async (text) => {
  const storage = memoryStorage()
  storage.set(text)
  const { auth } = listening({ storage })
  expect(auth.isAuthenticated()).toBe(false)
  expect(await auth.me()).toMatchObject({ error: { code: 'not_authenticated' } })
})

test('a storage that fails costs no login', async () => {
  const fail = () => {
    throw new DOMException('full or forbidden', 'QuotaExceededError')
  }
  const full: TokenStorage = { get: () => null, set: fail, remove: () => undefined }
  const forbidden: TokenStorage = { get: fail, set: fail, remove: fail }
  for (const storage of [full, forbidden]) {
    const { auth, changes } = listening({ storage })
    expect(await auth.register(someone())).toMatchObject({ ok: true })
    expect(await auth.me()).toMatchObject({ ok: true })
    await auth.logout()
    expect(auth.isAuthenticated()).toBe(false)
    expect(changes).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'logout' }])
  }
})

test('a storage that is full keeps no token that has been used', async () => {
  const map = new Map<string, string>()
  const storage = browserStorage(map)
  const here = listening({ storage: webStorageOf(storage) })
  const registered = await here.auth.register(someone())
  expire(webStorageOf(storage))
  storage.setItem = () => {
    throw new DOMException('full', 'QuotaExceededError')
  }
  expect(await here.auth.me()).toEqual(registered)
  expect(map.size).toBe(0)
  // The page itself goes on.
  expect(await here.auth.me()).toEqual(registered)
  expect(here.changes).toEqual([{ type: 'signed_in' }])
})

test.each([
  ['can be emptied', false],
  ['can not be emptied either', true],
])('a storage that can not remove, and %s, stops no logout', async (_, isStuck) => {
  const kept = memoryStorage()
  let isFull = false
  const storage: TokenStorage = {
    get: () => kept.get(),
    set: (value) => {
      if (isFull) throw new DOMException('full', 'QuotaExceededError')
      kept.set(value)
    },
    remove: () => {
      throw new DOMException('forbidden', 'SecurityError')
    },
  }
  const { auth, changes } = listening({ storage })
  const ada = someone()
  await auth.register(ada)
  isFull = isStuck
  await auth.logout()
  expect(auth.isAuthenticated()).toBe(false)
  expect(await auth.me()).toMatchObject({ error: { code: 'not_authenticated' } })
  expect(changes).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'logout' }])
  if (!isStuck) expect(kept.get()).toBe('')
  await auth.login(ada)
  expect(await auth.me()).toMatchObject({ ok: true })
  await auth.logout()
  expect(auth.isAuthenticated()).toBe(false)
})

test('a listener is told no more once it has ended that', async () => {
  const auth = createClient({ baseUrl: 'http://127.0.0.1:1' })
  const changes: unknown[] = []
  const end = auth.onAuthChange((change) => changes.push(change))
  end()
  await auth.logout()
  expect(changes).toEqual([])
})
