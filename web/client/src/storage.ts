/**
 * Where a client keeps its session: one text. Whoever can read it can act as the user, see the page on tokens in the
 * documentation. A storage that throws is not fatal: the session then lives, or is forgotten, in memory.
 */
export interface TokenStorage {
  get(): string | null
  set(value: string): void
  remove(): void
  /**
   * Set where other tabs of the origin may have what is kept, or a copy of it: a name for it among them. Their clients then refresh
   * in turns, and tell each other of the tokens by a `BroadcastChannel`.
   */
  readonly sharedAs?: string
  /**
   * Set where another tab may begin with a copy of what is kept, instead of having the same. As a copy grows old, the client waits
   * longer for what other tabs have, a second at most.
   */
  readonly isCopied?: boolean
  /** Set where the refresh token is in a cookie that no script can read: what is kept has only the access token. */
  readonly isInCookie?: boolean
  /** Waits for what other tabs have, where nothing is kept yet; not for long. */
  load?(): Promise<void>
  /** Calls the listener after somebody else, such as another tab, has changed what is kept. Answers what ends it. */
  subscribe?(listener: () => void): () => void
}

/** Keeps the session until the page is left or reloaded, where no other script can read it. The default. */
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
 * Keeps the session in `sessionStorage` (until the tab is closed; a tab that is duplicated, or opened by the page, begins with a
 * copy) or `localStorage` (until it ends, for all tabs). Every script of the page's origin can read it there.
 */
export function webStorage(storage: Storage, key = 'latchkey'): TokenStorage {
  return {
    sharedAs: key,
    isCopied: !isLocal(storage),
    get: () => storage.getItem(key),
    set: (value) => {
      storage.setItem(key, value)
    },
    remove: () => {
      storage.removeItem(key)
    },
    subscribe: (listener) => {
      // Only pages have other tabs to hear of.
      if (typeof globalThis.addEventListener !== 'function') return () => undefined
      const onStorage = (event: StorageEvent) => {
        // Without a key, everything was cleared.
        if (event.storageArea === storage && (event.key === key || event.key === null)) listener()
      }
      globalThis.addEventListener('storage', onStorage)
      return () => {
        globalThis.removeEventListener('storage', onStorage)
      }
    },
  }
}

/** Whether it is the storage that all tabs have in common. */
function isLocal(storage: Storage): boolean {
  try {
    return storage === globalThis.localStorage
  } catch {
    // Forbidden to this page: then it isn't what it was given.
    return false
  }
}
