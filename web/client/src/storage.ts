import { joinTabs } from './tabs.ts'

/**
 * TokenStorage is the place where a client keeps its session, which is one text. Anybody who can
 * read the text can act as the user. If a storage throws, the session is kept, or forgotten, in
 * memory.
 */
export interface TokenStorage {
  get(): string | null
  set(value: string): void
  remove(): void
  /**
   * A name for the session, if other tabs of the origin may have the same session or a copy of it.
   * The tabs' clients then refresh one after the other.
   */
  readonly sharedAs?: string | undefined
  /** `joinTabs`, if `sharedAs` is set. The tabs' clients then send each other new tokens by a `BroadcastChannel`. */
  readonly join?: typeof joinTabs
  /**
   * Set if another tab may begin with a copy of the session instead of sharing it. A copy may be
   * old, so the client waits longer for the tabs with a later one, at most a second.
   */
  readonly isCopied?: boolean
  /** Set if the refresh token is in a cookie that no script can read. The text then has only the access token. */
  readonly isInCookie?: boolean
  /**
   * Waits until `get` returns the session, if it is read asynchronously or other tabs have it.
   * Returns undefined if there is nothing to wait for.
   */
  load?(): Promise<void> | undefined
  /**
   * The object that holds the text. Clients in one page notice each other's changes if their
   * storages have the same area.
   */
  readonly area?: object | undefined
  /**
   * Calls the listener after another tab has changed the text, with `lost` if no client has changed
   * it. Returns a function that ends this.
   */
  subscribe?(listener: (reason?: 'lost') => void): () => void
}

/** Keeps the session in a variable until the page is left or reloaded. No other script can read it. The default. */
export function memoryStorage(): TokenStorage {
  let kept: string | null = null
  return {
    get: () => kept,
    set: (value) => {
      kept = value
    },
    remove: () => {
      kept = null
    },
  }
}

/**
 * Keeps the session in `sessionStorage` (until the tab is closed; a tab that is duplicated, or
 * opened by the page, begins with a copy) or `localStorage` (until it ends, for all tabs). Every
 * script of the page's origin can read it there. On a server, or if the page may not use the
 * storage, the session is in memory.
 */
export function webStorage(kind: 'local' | 'session', key = 'latchkey'): TokenStorage {
  let opened: TokenStorage | undefined
  const open = () => (opened ??= openArea(kind, key))
  return {
    // They depend on what the first use finds.
    get sharedAs() {
      return open().sharedAs
    },
    get area() {
      return open().area
    },
    isCopied: kind === 'session',
    join: joinTabs,
    get: () => open().get(),
    set: (value) => {
      open().set(value)
    },
    remove: () => {
      open().remove()
    },
    subscribe: (listener) => open().subscribe?.(listener) ?? (() => undefined),
  }
}

function openArea(kind: 'local' | 'session', key: string): TokenStorage {
  const area = areaOf(kind)
  if (!area) return memoryStorage()
  return {
    sharedAs: key,
    area,
    get: () => area.getItem(key),
    set: (value) => {
      area.setItem(key, value)
    },
    remove: () => {
      area.removeItem(key)
    },
    subscribe: (listener) => {
      // A client that ends the session leaves nothing.
      const look = (isCleared: boolean) => {
        listener(isCleared || area.getItem(key) !== null ? 'lost' : undefined)
      }
      const onStorage = (event: StorageEvent) => {
        // Without a key, everything was cleared.
        if (event.storageArea === area && (event.key === key || event.key === null)) look(event.key === null)
      }
      // A page in the browser's back/forward cache gets no events.
      const onShow = () => {
        look(false)
      }
      globalThis.addEventListener('storage', onStorage)
      globalThis.addEventListener('pageshow', onShow)
      return () => {
        globalThis.removeEventListener('storage', onStorage)
        globalThis.removeEventListener('pageshow', onShow)
      }
    },
  }
}

/**
 * Returns the page's storage. Outside of a page it returns undefined: that of Node or Deno is
 * shared by all users of a server.
 */
function areaOf(kind: 'local' | 'session'): Storage | undefined {
  try {
    return typeof document === 'undefined' ? undefined : globalThis[`${kind}Storage`]
  } catch {
    // Forbidden to this page.
    return undefined
  }
}

/** The methods of React Native's AsyncStorage that `asyncStorage` needs. */
export interface AsyncStore {
  getItem(key: string): Promise<string | null | undefined>
  setItem(key: string, value: string): Promise<unknown>
  removeItem(key: string): Promise<unknown>
}

/**
 * Keeps the session in an asynchronous storage, such as React Native's AsyncStorage, and a copy in
 * memory. The first call of the client waits until it has been read, as does `resume`. Where it
 * can't be read or written, the session is in memory.
 */
export function asyncStorage(store: AsyncStore, key = 'latchkey'): TokenStorage {
  const memory = memoryStorage()
  let isRead = false
  let loading: Promise<void> | undefined
  /** The last write: they are made one after another. */
  let writing: Promise<unknown> = Promise.resolve()
  const write = (work: () => Promise<unknown>) => {
    isRead = true
    // What can't be overwritten is removed: its token has been used.
    writing = writing
      .then(work)
      .catch(() => store.removeItem(key))
      .catch(() => undefined)
  }
  const read = async () => {
    try {
      const kept = await store.getItem(key)
      // What was set meanwhile is newer.
      if (!isRead && typeof kept === 'string') memory.set(kept)
    } finally {
      isRead = true
    }
  }
  return {
    // Other tabs of a browser may have the same text. Only a channel shows them its changes.
    sharedAs: key,
    isCopied: true,
    join: joinTabs,
    get: () => memory.get(),
    set: (value) => {
      memory.set(value)
      write(() => store.setItem(key, value))
    },
    remove: () => {
      memory.remove()
      write(() => store.removeItem(key))
    },
    load: () => (isRead ? undefined : (loading ??= read())),
  }
}
