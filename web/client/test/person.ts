import { randomUUID } from 'node:crypto'

import { inject } from 'vitest'

import {
  createClient,
  webStorage,
  type AuthChange,
  type Client,
  type ClientOptions,
  type Registration,
  type TokenStorage,
} from '../dist/index.js'
import type { Locks } from '../src/refresh.ts'

/** A registration that nobody has used. */
export function someone(): Registration {
  const name = `ada-${randomUUID().slice(0, 18)}`
  return { email: `${name}@example.com`, username: name, password: 'correct horse battery staple' }
}

/** A client, all changes that its listener got, and of these the logins and logouts. */
export interface Listening {
  auth: Client
  told: AuthChange[]
  changes: AuthChange[]
}

/** A client of the tests' server, and the changes that its listener got. */
export function listening(options: Partial<ClientOptions> = {}): Listening {
  return listeningTo(createClient({ baseUrl: inject('url'), ...options }))
}

/** A client, and the changes that its listener gets from now on. */
export function listeningTo(auth: Client): Listening {
  const told: AuthChange[] = []
  const changes: AuthChange[] = []
  auth.onAuthChange((change) => {
    told.push(change)
    if (change.type.startsWith('signed')) changes.push(change)
  })
  return { auth, told, changes }
}

/** A session as it is kept, with tokens that no server knows. */
export function kept(change: object = {}): string {
  return JSON.stringify({
    access_token: 'e30.e30.e30',
    token_type: 'bearer',
    expires_in: 900,
    refresh_token: 'lkr_old',
    refresh_expires_in: 2_592_000,
    since: Date.now(),
    login: 1,
    ...change,
  })
}

/** A client of a server, and how often it has refreshed. `instead` is what it gets for the answer of a refresh. */
export function counting(
  baseUrl: string,
  storage: TokenStorage,
  instead: (answer: Response) => Response = (answer) => answer,
  options: Partial<ClientOptions> = {},
) {
  let refreshes = 0
  const send = async (input: RequestInfo | URL) => {
    const request = input as Request
    const isRefresh = request.url.endsWith('/login/token/') && (await request.clone().text()).includes('refresh_token')
    if (isRefresh) refreshes++
    const answer = await fetch(request)
    return isRefresh ? instead(answer) : answer
  }
  return { ...listeningTo(createClient({ baseUrl, storage, fetch: send, ...options })), refreshes: () => refreshes }
}

/** Lets the access token of what is kept expire. */
export function expire(storage: TokenStorage): void {
  storage.set(JSON.stringify({ ...(JSON.parse(storage.get() ?? '') as object), expires_in: 1 }))
}

/** Web Locks, as all tabs of an origin share them. Node 20 has none. */
export function sharedLocks(): Locks {
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

// Node is no page, and hears no storage events. Dispatching them is what the browser does.
const page = new EventTarget()
for (const name of ['addEventListener', 'removeEventListener', 'dispatchEvent'] as const)
  Object.assign(globalThis, { [name]: page[name].bind(page) })

/** A `webStorage` of a page that has this storage. */
export function webStorageOf(storage: Storage, kind: 'local' | 'session' = 'session', key?: string): TokenStorage {
  const globals = { document: {}, [`${kind}Storage`]: storage }
  const before = Object.keys(globals).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const)
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, configurable: true })
  const opened = webStorage(kind, key)
  // The first use looks them up.
  opened.get()
  for (const [name, descriptor] of before) {
    if (descriptor) Object.defineProperty(globalThis, name, descriptor)
    else Reflect.deleteProperty(globalThis, name)
  }
  return opened
}

/** The part of a browser's storage that is used. Its tabs share the map. */
export function browserStorage(kept = new Map<string, string>()): Storage {
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
