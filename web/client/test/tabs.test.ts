import { randomUUID } from 'node:crypto'
import { once } from 'node:events'

import { expect, inject, onTestFinished, test, vi } from 'vitest'

import { createClient, memoryStorage, type TokenStorage } from '../dist/index.js'
import { refresher, type Locks } from '../src/refresh.ts'
import { openSessions } from '../src/session.ts'
import { joinTabs } from '../src/tabs.ts'
import { browserStorage, counting, expire, kept, sharedLocks, someone, webStorageOf } from './person.ts'

/** The tabs of one origin. Node 20 has no Web Locks. */
function origin(locks: Locks = sharedLocks()): void {
  vi.stubGlobal('navigator', { locks })
  onTestFinished(() => {
    vi.unstubAllGlobals()
  })
}

/** A tab whose `sessionStorage` begins with what was kept in another. */
function tab(kept?: TokenStorage, baseUrl = inject('url')) {
  const storage = webStorageOf(browserStorage(new Map(kept ? [['latchkey', kept.get() ?? '']] : [])))
  const opened = counting(baseUrl, storage)
  onTestFinished(() => {
    opened.auth.close()
  })
  return { ...opened, storage }
}

test('a tab with a copy of the session goes on with what the first has refreshed, and the other way round', async () => {
  origin()
  const first = tab()
  const registered = await first.auth.register(someone())
  const second = tab(first.storage)
  for (const [one, other] of [
    [first, second],
    [second, first],
  ] as const) {
    // Of two generations, the first token is worth nothing, and ends the session.
    for (let i = 0; i < 2; i++) {
      expire(one.storage)
      expect(await one.auth.me()).toEqual(registered)
    }
    expire(other.storage)
    const before = other.refreshes()
    expect(await other.auth.me()).toEqual(registered)
    // It may have heard of it before it expired by its own clock, and then refreshes what it has
    // heard of.
    expect(other.refreshes() - before).toBeLessThanOrEqual(1)
  }
  expect(first.changes).toEqual([{ type: 'signed_in' }])
  expect(second.changes).toEqual([])
})

test('a tab that was opened with a copy, and had no ears yet when the first refreshed, asks before it refreshes', async () => {
  origin()
  const first = tab()
  const registered = await first.auth.register(someone())
  const copy = memoryStorage()
  expire(first.storage)
  copy.set(first.storage.get() ?? '')
  for (let i = 0; i < 2; i++) {
    expire(first.storage)
    expect(await first.auth.me()).toEqual(registered)
  }
  const second = tab(copy)
  expect(await second.auth.me()).toEqual(registered)
  expect(second.refreshes()).toBe(0)
  expect(second.storage.get()).toBe(first.storage.get())
})

test('a tab that is closed after a refresh has left its tokens with the others', async () => {
  origin()
  const first = tab()
  const registered = await first.auth.register(someone())
  const second = tab(first.storage)
  for (let i = 0; i < 2; i++) {
    expire(first.storage)
    expect(await first.auth.me()).toEqual(registered)
  }
  await expect.poll(() => second.storage.get()).toBe(first.storage.get())
  first.auth.close()
  expire(second.storage)
  expect(await second.auth.me()).toEqual(registered)
  expect(second.changes).toEqual([])
})

test('tabs with copies that expire at the same moment refresh once', async () => {
  origin()
  const first = tab()
  const registered = await first.auth.register(someone())
  expire(first.storage)
  const tabs = [first, tab(first.storage), tab(first.storage)]
  const answers = await Promise.all(tabs.flatMap(({ auth }) => [auth.me(), auth.me()]))
  expect(answers).toEqual(answers.map(() => registered))
  expect(tabs.reduce((sum, { refreshes }) => sum + refreshes(), 0)).toBe(1)
})

test('a tab takes nothing over that is of another login, of another server, older, or no session', async () => {
  const mine = kept({ login: 1, since: Date.now() - 1000 })
  const open = (text: string, baseUrl = 'https://auth.example.com', key?: string) => {
    const storage = webStorageOf(browserStorage(), 'session', key)
    storage.set(text)
    const sessions = openSessions(storage, baseUrl)
    onTestFinished(() => {
      sessions.close()
    })
    return { storage, sessions }
  }
  const { storage, sessions } = open(mine)
  const later = { access_token: 'later', since: Date.now() }
  const others = [
    open(kept({ ...later, login: 2 })),
    open(kept({ ...later, login: 1 }), 'https://elsewhere.example.com'),
    open(kept({ ...later, login: 1 }), 'https://auth.example.com', 'another key'),
    open(kept({ access_token: 'before', login: 1, since: Date.now() - 2000 })),
  ]
  const channel = new BroadcastChannel(sessions.sharedAs ?? '')
  for (const odd of ['', 'null', '{}', kept({ ...later, login: undefined }), 7, null, { login: 1 }])
    channel.postMessage(odd)
  channel.close()
  await Promise.all([sessions, ...others.map((other) => other.sessions)].map((each) => each.catchUp()))
  expect(storage.get()).toBe(mine)
  // The one that was behind has caught up.
  expect(others.at(-1)?.storage.get()).toBe(mine)

  open(kept({ ...later, login: 1 }))
  await sessions.catchUp()
  expect(sessions.current()).toMatchObject(later)
})

/**
 * A client of a storage with this text, of which the tabs have copies by default. Time stands still
 * for it.
 */
function waiting(text: string, isCopied = true) {
  const storage = { ...memoryStorage(), sharedAs: randomUUID(), isCopied, join: joinTabs }
  storage.set(text)
  vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] })
  const opened = (sameAs: TokenStorage = storage) => {
    const sessions = openSessions(sameAs)
    onTestFinished(() => {
      sessions.close()
    })
    return sessions
  }
  const sessions = opened()
  const channel = new BroadcastChannel(sessions.sharedAs ?? '')
  const heard: string[] = []
  channel.onmessage = ({ data }) => heard.push(data as string)
  onTestFinished(() => {
    channel.close()
    vi.useRealTimers()
  })
  /** How long it waits for others, if none answers. */
  const waitAlone = async () => {
    const began = Date.now()
    const caughtUp = sessions.catchUp()
    vi.advanceTimersToNextTimer()
    await caughtUp
    return Date.now() - began
  }
  return {
    storage,
    sessions,
    channel,
    heard,
    waitAlone,
    copy: () => opened(copyOf(storage)),
  }
}

/** What a tab begins with that is opened by another. */
function copyOf<T extends TokenStorage>(storage: T): T {
  const copy = memoryStorage()
  copy.set(storage.get() ?? '')
  return { ...storage, ...copy }
}

test('a tab that has the tokens may be busy for most of a second', async () => {
  const { sessions, channel } = waiting(kept({ since: Date.now() - 900_001 }))
  const asked = once(channel, 'message')
  const caughtUp = sessions.catchUp()
  await asked
  vi.advanceTimersByTime(999)
  channel.postMessage(kept({ access_token: 'later' }))
  // It waits no longer than for the answer: by its clock, the second is not over.
  await caughtUp
  expect(sessions.current()).toMatchObject({ access_token: 'later' })
})

test('who may have an old copy waits for a second, and who can not have one for less', async () => {
  const old = kept({ since: Date.now() - 900_001 })
  expect(await waiting(old, false).waitAlone()).toBe(100)
  const { sessions, channel, waitAlone } = waiting(old)
  expect(await waitAlone()).toBe(1000)
  // Still nobody knows whether it is the newest.
  expect(await waitAlone()).toBe(1000)
  const before = sessions.current()
  if (before) sessions.renew(before, token)
  expect(await waitAlone()).toBe(100)
  // From the first word of another tab on there is somebody to wait for, until nobody answers.
  channel.postMessage(kept({ since: 1 }))
  await vi.waitFor(async () => {
    expect(await waitAlone()).toBe(1000)
  })
  expect(await waitAlone()).toBe(100)
  sessions.opening()(token)
  expect(await waitAlone()).toBe(100)
})

test('a tab that has the newest tokens answers who has the same, and is waited for no longer', async () => {
  const { sessions, heard, copy } = waiting(kept({ since: Date.now() - 900_001 }))
  const before = sessions.current()
  if (before) sessions.renew(before, token)
  // No time passes.
  await copy().catchUp()
  await vi.waitFor(() => {
    expect(heard).toHaveLength(3)
  })
  expect(heard.map((text) => (JSON.parse(text) as { asks?: boolean }).asks)).toEqual([undefined, true, undefined])
})

test('a tab that has but a copy itself does not answer who has the same', async () => {
  const old = kept({ since: Date.now() - 900_001 })
  const { sessions, channel, heard, copy } = waiting(old)
  const other = copy()
  const caughtUp = sessions.catchUp()
  const later = kept({ access_token: 'later' })
  channel.postMessage(later)
  await caughtUp
  await vi.waitFor(() => {
    expect(other.current()).toMatchObject({ access_token: 'later' })
  })
  // Both answer this after what they have said before.
  channel.postMessage(kept({ since: 1 }))
  await vi.waitFor(() => {
    expect(heard.filter((text) => text === later)).toHaveLength(2)
  })
  // Of the old state it has heard the question alone.
  expect(heard.filter((text) => text.includes('e30.e30.e30'))).toHaveLength(1)
})

test('nobody waits for who has another login, another server or another storage', async () => {
  const names: string[] = []
  origin({
    request: (name, callback) => {
      names.push(name)
      return callback()
    },
  })
  const asked = async (storage: TokenStorage, login: number, baseUrl = 'https://auth.example.com') => {
    storage.set(kept({ login, since: Date.now() - 900_001 }))
    const auth = createClient({ baseUrl, storage, fetch: () => Promise.resolve(new Response('', { status: 404 })) })
    onTestFinished(() => {
      auth.close()
    })
    expect(await auth.me()).toMatchObject({ error: { code: 'unexpected_answer', status: 404 } })
  }
  await asked(webStorageOf(browserStorage()), 1)
  await asked(webStorageOf(browserStorage()), 1)
  expect(new Set(names).size).toBe(1)
  await asked(webStorageOf(browserStorage()), 2)
  await asked(webStorageOf(browserStorage()), 1, 'https://elsewhere.example.com')
  await asked(webStorageOf(browserStorage(), 'session', 'other'), 1)
  expect(new Set(names).size).toBe(4)
  expect(names.join()).not.toContain('lkr_')
  // What is in one page's memory, no other tab has.
  await asked(memoryStorage(), 1)
  expect(names).toHaveLength(5)
})

const token = {
  access_token: 'next',
  token_type: 'bearer',
  expires_in: 900,
  refresh_token: 'lkr_next',
  refresh_expires_in: 2_592_000,
} as const

test('where the page may have no lock, it refreshes without', async () => {
  const forbidden = new DOMException('of a sandboxed frame', 'SecurityError')
  const fails: (() => Promise<never>)[] = [
    () => Promise.reject(forbidden),
    () => {
      throw forbidden
    },
  ]
  for (const request of fails) {
    const storage = { ...memoryStorage(), sharedAs: 'here' }
    storage.set(kept({ since: Date.now() - 900_001 }))
    const sessions = openSessions(storage)
    let count = 0
    const session = refresher(sessions, () => Promise.resolve((count++, token)), { request })
    expect((await session())?.access_token).toBe('next')
    expect(count).toBe(1)
    sessions.close()
  }
})

test('what fails under the lock is not done again without', async () => {
  const storage = { ...memoryStorage(), sharedAs: 'here' }
  storage.set(kept({ since: Date.now() - 900_001 }))
  const sessions = openSessions(storage)
  const failure = new Error('not now')
  const refresh = vi.fn(() => Promise.reject(failure))
  await expect(refresher(sessions, refresh, sharedLocks())()).rejects.toBe(failure)
  expect(refresh).toHaveBeenCalledTimes(1)
  sessions.close()
})

test('without a BroadcastChannel there is a session all the same', async () => {
  vi.stubGlobal('BroadcastChannel', function () {
    throw new DOMException('of a sandboxed frame', 'SecurityError')
  })
  onTestFinished(() => {
    vi.unstubAllGlobals()
  })
  const { auth, storage, changes } = tab()
  const registered = await auth.register(someone())
  expire(storage)
  expect(await auth.me()).toEqual(registered)
  expect(changes).toEqual([{ type: 'signed_in' }])
})
