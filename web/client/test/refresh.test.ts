import { expect, inject, onTestFinished, test, vi } from 'vitest'

import { createClient, memoryStorage, type AuthChange, type TokenStorage } from '../dist/index.js'
import { patiently, refresher, type Locks, type Refresh } from '../src/refresh.ts'
import { openSessions, type Sessions } from '../src/session.ts'
import { kept, listeningTo, someone } from './person.ts'

const token = {
  access_token: 'next',
  token_type: 'bearer',
  expires_in: 900,
  refresh_token: 'lkr_next',
  refresh_expires_in: 2_592_000,
} as const
const patient = new AbortController().signal

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
  for (const answer of await Promise.all(asked)) expect(answer?.access_token).toBe('next')
  expect(count()).toBe(1)
  expect(changes).toEqual([])
  expect((await session(patient))?.access_token).toBe('next')
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
  for (const answer of await Promise.all(asked)) expect(answer?.access_token).toBe('next')
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
  storage.set(kept({ access_token: 'old', since: Date.now() - 895_000 }))
  const { sessions, changes } = tab(storage)
  let fails = true
  const session = refresher(
    sessions,
    () => (fails ? Promise.reject(new TypeError('no network')) : Promise.resolve(token)),
    undefined,
  )
  // Still good for some seconds, though not fresh.
  expect((await session(patient))?.access_token).toBe('old')
  fails = false
  expect((await session(patient))?.access_token).toBe('next')
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
  sessions.opening()({ ...token, access_token: 'of-another' })
  letGo()
  expect((await asked)?.access_token).toBe('of-another')
  expect(sessions.current()?.access_token).toBe('of-another')
  expect(changes).toEqual([{ type: 'signed_out', reason: 'logout' }, { type: 'signed_in' }])
})

test('where nothing has answered a refresh is tried again, within the window in which that is harmless', async () => {
  vi.useFakeTimers()
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const began = Date.now()
  const tries: number[] = []
  const lost = { ok: false, error: { code: 'network_error' } } as const
  const asked = patiently(() => {
    tries.push(Date.now() - began)
    return Promise.resolve(lost)
  })
  await vi.runAllTimersAsync()
  expect(await asked).toBe(lost)
  expect(tries).toEqual([0, 500, 2000, 6000])
  const refused = { ok: false, error: { code: 'invalid_refresh_token' } } as const
  let answers = 0
  expect(await patiently(() => Promise.resolve((answers++, refused)))).toBe(refused)
  expect(answers).toBe(1)
})

/** A client of a server, and what it has asked for. */
function counting(baseUrl: string, storage: TokenStorage, lose: (request: Request) => boolean = () => false) {
  const asked: string[] = []
  const send = async (input: RequestInfo | URL) => {
    const request = input as Request
    asked.push(`${request.method} ${new URL(request.url).pathname}`)
    const isLost = lose(request)
    const answer = await fetch(request)
    if (isLost) throw new TypeError('the answer was lost')
    return answer
  }
  const refreshes = () => asked.filter((each) => each === 'POST /api/users/login/token/').length
  return { ...listeningTo(createClient({ baseUrl, storage, fetch: send })), refreshes }
}

test('twenty calls at the moment of expiry make one refresh, and log nobody out', async () => {
  const storage = memoryStorage()
  const { auth, changes, refreshes } = counting(inject('url'), storage)
  const registered = await auth.register(someone())
  storage.set(JSON.stringify({ ...(JSON.parse(storage.get() ?? '') as object), expires_in: 1 }))
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

test('a refresh whose answer was lost logs nobody out', async () => {
  let lose = 2
  const storage = memoryStorage()
  const { auth, changes, refreshes } = counting(
    inject('shortUrl'),
    storage,
    (request) => request.url.endsWith('/login/token/') && lose-- > 0,
  )
  const registered = await auth.register(someone())
  expect(await auth.me()).toEqual(registered)
  expect(refreshes()).toBe(3)
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
    storage.set(JSON.stringify({ ...(JSON.parse(storage.get() ?? '') as object), expires_in: 1 }))
    expect(await auth.me()).toMatchObject({ ok: true })
  }
  storage.set(JSON.stringify({ ...first, expires_in: 1 }))
  expect(await auth.me()).toMatchObject({ error: { code: 'not_authenticated' } })
  expect(changes).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'refused' }])
})

test('without a network a session is kept, also one whose access token has expired', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const storage = memoryStorage()
  storage.set(kept({ since: Date.now() - 900_001 }))
  const { auth, changes } = listeningTo(createClient({ baseUrl: 'http://127.0.0.1:1', storage }))
  const asked = auth.me()
  // The connections fail by themselves, each wait between them is let go.
  const pace = setInterval(() => vi.advanceTimersToNextTimer(), 10)
  onTestFinished(() => {
    clearInterval(pace)
  })
  expect(await asked).toMatchObject({ error: { code: 'network_error', cause: { message: 'network_error' } } })
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
  const aborted = { ok: false, error: { code: 'network_error', cause: { name: 'AbortError' } } }
  expect(await asked).toMatchObject(aborted)
  expect(await auth.me({ signal: AbortSignal.abort() })).toMatchObject(aborted)
  expect(changes).toEqual([])
})
