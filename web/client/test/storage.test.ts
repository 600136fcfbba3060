import { expect, test } from 'vitest'

import { createClient, memoryStorage, webStorage, type TokenStorage } from '../dist/index.js'
import { listening, someone } from './person.ts'

/** The part of a browser's storage that is used. Its tabs share the map. */
function browserStorage(kept = new Map<string, string>()): Storage {
  return {
    get length() {
      return kept.size
    },
    key: (index) => [...kept.keys()][index] ?? null,
    clear: () => {
      kept.clear()
    },
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => {
      kept.set(key, value)
    },
    removeItem: (key) => {
      kept.delete(key)
    },
  }
}

/** What a browser tells the other tabs. */
function tellOfChange(storage: Storage, key: string | null): void {
  globalThis.dispatchEvent(Object.assign(new Event('storage'), { storageArea: storage, key }))
}

test('a session outlives the page in a web storage', async () => {
  const storage = browserStorage()
  const first = listening({ storage: webStorage(storage) })
  const ada = someone()
  await first.auth.register(ada)
  const second = listening({ storage: webStorage(storage) })
  expect(second.auth.isAuthenticated()).toBe(true)
  expect(await second.auth.me()).toMatchObject({ ok: true, data: { email: ada.email } })
  expect(storage.getItem('latchkey')).not.toContain(ada.password)
  await second.auth.logout()
  expect(storage.length).toBe(0)
})

test('another tab is told when a session begins and ends', async () => {
  // Node has no storage events of its own; dispatching them is what the browser does.
  Object.assign(globalThis, eventTarget())
  const storage = browserStorage()
  const here = listening({ storage: webStorage(storage) })
  const there = listening({ storage: webStorage(storage) })
  await there.auth.register(someone())
  tellOfChange(storage, 'latchkey')
  await there.auth.logout()
  tellOfChange(storage, null)
  tellOfChange(storage, 'something else')
  tellOfChange(browserStorage(), 'latchkey')
  expect(here.changes).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'logout' }])
})

function eventTarget(): Pick<EventTarget, 'addEventListener' | 'removeEventListener' | 'dispatchEvent'> {
  const target = new EventTarget()
  return {
    addEventListener: target.addEventListener.bind(target),
    removeEventListener: target.removeEventListener.bind(target),
    dispatchEvent: target.dispatchEvent.bind(target),
  }
}

test.each(['', 'nonsense', 'null', '[]', '{"accessToken": 1, "expiresAt": 2}', '{"accessToken": "e30"}'])(
  'what is no session counts as none: %s',
  async (text) => {
    const storage = memoryStorage()
    storage.set(text)
    const { auth } = listening({ storage })
    expect(auth.isAuthenticated()).toBe(false)
    expect(await auth.me()).toMatchObject({ error: { code: 'not_authenticated' } })
  },
)

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

test('a listener is told no more once it has ended that', async () => {
  const auth = createClient({ baseUrl: 'http://127.0.0.1:1' })
  const changes: unknown[] = []
  const end = auth.onAuthChange((change) => changes.push(change))
  end()
  await auth.logout()
  expect(changes).toEqual([])
})
