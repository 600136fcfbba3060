import { expect, inject, onTestFinished, test, vi } from 'vitest'

import {
  asyncStorage,
  cookieStorage,
  createClient,
  memoryStorage,
  webStorage,
  type AsyncStore,
  type TokenStorage,
} from '../dist/index.js'
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

test('another tab hears when a session begins and ends', async () => {
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

test('a session that another tab has dropped since it had expired is reported as expired', () => {
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

test('a storage that fails later costs no session', async () => {
  const memory = memoryStorage()
  let isBroken = false
  const get = () => {
    if (isBroken) throw new DOMException('the profile is gone', 'InvalidStateError')
    return memory.get()
  }
  const { auth, told } = listening({ storage: { ...memory, get } })
  const registered = await auth.register(someone())
  isBroken = true
  expect(auth.user).toEqual(registered.ok && registered.data)
  expect(await auth.me()).toEqual(registered)
  isBroken = false
  await auth.logout()
  expect(auth.isAuthenticated()).toBe(false)
  expect(told).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'logout' }])
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

test('a listener isn’t called any more once it was removed', async () => {
  const auth = createClient({ baseUrl: 'http://127.0.0.1:1' })
  const changes: unknown[] = []
  const end = auth.onAuthChange((change) => changes.push(change))
  end()
  await auth.logout()
  expect(changes).toEqual([])
})

test('what was cleared in another tab, or was overwritten there, is lost; what a client has removed is a logout', () => {
  const storage = browserStorage()
  const reasons = [
    () => {
      storage.removeItem('latchkey')
    },
    () => {
      storage.clear()
    },
    () => {
      storage.setItem('latchkey', 'nonsense')
    },
  ].map((change, i) => {
    storage.setItem('latchkey', kept())
    const { auth, changes } = listening({ storage: webStorageOf(storage) })
    change()
    tellOfChange(storage, i === 1 ? null : 'latchkey')
    auth.close()
    return changes
  })
  expect(reasons).toEqual(['logout', 'lost', 'lost'].map((reason) => [{ type: 'signed_out', reason }]))
})

test('a page that comes back from the browser’s cache looks what has happened', () => {
  const storage = browserStorage()
  storage.setItem('latchkey', kept({ login: 1 }))
  const { auth, changes } = listening({ storage: webStorageOf(storage) })
  // It hears nothing in there.
  storage.setItem('latchkey', kept({ login: 2, access_token: 'of-another' }))
  globalThis.dispatchEvent(new Event('pageshow'))
  expect(changes).toEqual([{ type: 'signed_in' }])
  storage.removeItem('latchkey')
  globalThis.dispatchEvent(new Event('pageshow'))
  expect(changes.slice(1)).toEqual([{ type: 'signed_out', reason: 'logout' }])
  auth.close()
})

test('without a page there is no storage of a browser, though the runtime may have one for all its users', async () => {
  vi.stubGlobal('sessionStorage', browserStorage())
  onTestFinished(() => {
    vi.unstubAllGlobals()
  })
  const [first, second] = [1, 2].map(() => listening({ storage: webStorage('session') }))
  expect(await first?.auth.register(someone())).toMatchObject({ ok: true })
  expect(sessionStorage.length).toBe(0)
  expect(second?.auth.isAuthenticated()).toBe(false)
  expect(webStorage('session').sharedAs).toBeUndefined()
})

test('a page that may not use the browser’s storage keeps the session in memory', async () => {
  const globals = { document: {} }
  vi.stubGlobal('document', globals.document)
  Object.defineProperty(globalThis, 'localStorage', {
    configurable: true,
    get: () => {
      throw new DOMException('forbidden', 'SecurityError')
    },
  })
  onTestFinished(() => {
    vi.unstubAllGlobals()
    Reflect.deleteProperty(globalThis, 'localStorage')
  })
  const { auth, changes } = listening({ storage: webStorage('local') })
  expect(await auth.register(someone())).toMatchObject({ ok: true })
  expect(auth.isAuthenticated()).toBe(true)
  expect(changes).toEqual([{ type: 'signed_in' }])
})

test('a tab has a copy of what is kept in one storage of the browser, and the same in the other', () => {
  expect(webStorage('local').isCopied).toBe(false)
  expect(webStorage('session').isCopied).toBe(true)
})

test('two clients of one cookie storage both hear the other tabs, until each is closed', async () => {
  vi.stubGlobal('document', {})
  onTestFinished(() => void vi.unstubAllGlobals())
  const key = 'of this test'
  const storage = cookieStorage(key)
  const [first, second] = [1, 2].map(() => listening({ storage }))
  if (!first || !second) throw new Error('two')
  const elsewhere = cookieStorage(key)
  elsewhere.set(kept())
  await expect.poll(() => [...first.changes, ...second.changes]).toHaveLength(2)
  first.auth.close()
  elsewhere.remove()
  await expect.poll(() => second.changes.at(-1)).toEqual({ type: 'signed_out', reason: 'logout' })
  expect(first.changes).toHaveLength(1)
  second.auth.close()
})

/** An asynchronous storage, which answers later. */
function slowStore(map = new Map<string, string>()): AsyncStore & { map: Map<string, string> } {
  const later = () => new Promise<void>((resolve) => setImmediate(resolve))
  return {
    map,
    getItem: async (key) => {
      await later()
      return map.get(key) ?? null
    },
    setItem: async (key, value) => {
      await later()
      map.set(key, value)
    },
    removeItem: async (key) => {
      await later()
      map.delete(key)
    },
  }
}

test('an asynchronous storage is read before the first call, and by resume', async () => {
  const store = slowStore()
  const first = listening({ storage: asyncStorage(store) })
  const ada = someone()
  const registered = await first.auth.register(ada)
  await expect.poll(() => store.map.get('latchkey')).toContain('lkr_')
  first.auth.close()

  const second = listening({ storage: asyncStorage(store) })
  expect(second.auth.isAuthenticated()).toBe(false)
  expect(await second.auth.me()).toEqual(registered)
  expect(second.told).toEqual([{ type: 'signed_in' }])
  second.auth.close()

  const third = listening({ storage: asyncStorage(store) })
  expect(await Promise.all([third.auth.resume(), third.auth.resume()])).toEqual([true, true])
  expect(third.auth.user).toEqual(registered.ok && registered.data)
  // From then on, a logout is one at once.
  const loggedOut = third.auth.logout()
  expect(third.auth.isAuthenticated()).toBe(false)
  await loggedOut
  await expect.poll(() => store.map.size).toBe(0)
  expect(await third.auth.resume()).toBe(false)
  third.auth.close()
})

test('a login or logout that comes before an asynchronous storage was read ends what was kept there', async () => {
  const store = slowStore()
  const open = () => {
    const opened = listening({ storage: asyncStorage(store) })
    onTestFinished(() => {
      opened.auth.close()
    })
    return opened.auth
  }
  const tokens = () => store.map.get('latchkey')
  const statusOf = async (text: string | undefined) => {
    const { access_token } = JSON.parse(text ?? '') as { access_token: string }
    const headers = { Authorization: `Bearer ${access_token}` }
    return (await fetch(`${inject('url')}/api/users/me/`, { headers })).status
  }
  const ada = someone()
  await open().register(ada)
  await expect.poll(tokens).toBeDefined()
  const first = tokens()
  expect(await open().login(ada)).toMatchObject({ ok: true })
  await expect.poll(() => statusOf(first)).toBe(401)
  await expect.poll(tokens).not.toBe(first)
  const second = tokens()
  expect(await statusOf(second)).toBe(200)
  await open().logout()
  expect(await statusOf(second)).toBe(401)
  await expect.poll(tokens).toBeUndefined()
})

test('an asynchronous storage that fails costs no login, and keeps no token that has been used', async () => {
  const map = new Map([['latchkey', kept()]])
  const fail = () => Promise.reject(new Error('full or forbidden'))
  const storage = asyncStorage({ ...slowStore(map), getItem: fail, setItem: fail })
  const { auth, changes } = listening({ storage })
  expect(await auth.resume()).toBe(false)
  expect(await auth.register(someone())).toMatchObject({ ok: true })
  expect(await auth.me()).toMatchObject({ ok: true })
  await expect.poll(() => map.size).toBe(0)
  expect(changes).toEqual([{ type: 'signed_in' }])
  auth.close()
})
