import { tokenOf, userOf } from './answers.ts'
import type { components } from './api.ts'
import { memoryStorage, type TokenStorage } from './storage.ts'
import { longestWait } from './wait.ts'

type Token = components['schemas']['Token']
type User = components['schemas']['User']

/** Session is the state of a login: its tokens, their age, and the user as far as the client knows it. */
export interface Session extends Token {
  /** When the client received the tokens, in milliseconds since 1970 by this machine's clock. */
  readonly since: number
  /** A random number for each login. A refresh keeps it. */
  readonly login: number
  /** The number of times the tokens were replaced. Of two states of one login the greater is the later. */
  readonly turn?: number
  /** The user of the last answer that had one. */
  readonly user?: User | undefined
}

/** The message of one tab to the others: its session, and whether it asks for a later state or a confirmation. */
export interface Told extends Session {
  readonly asks?: boolean
}

/**
 * Why a session has ended.
 *
 * - `logout`: by `logout`, by a deleted account, or in another tab or client
 * - `expired`: nobody has used it in time
 * - `refused`: the server no longer accepts it
 * - `lost`: the storage was emptied, or holds something else than a session
 */
export type SignedOutReason = 'logout' | 'expired' | 'refused' | 'lost'

/**
 * A change of the session: by a call, by the clock, in another tab or client that shares the
 * storage, or of the storage itself. `signed_in` also occurs if another user, or the same one
 * again, logs in.
 */
export type AuthChange =
  | { type: 'signed_in' }
  | { type: 'signed_out'; reason: SignedOutReason }
  | { type: 'token_refreshed' }
  | { type: 'user_updated'; user: User }

/**
 * How far ahead the clock may be that a session was received by, in milliseconds: each server of a
 * site has its own clock, and a clock is corrected.
 */
const skew = 5000

/** Sessions is the session of a client, and the listeners to its changes. */
export interface Sessions {
  /** Returns the session, or null. It calls the listeners with what has changed, and removes an expired session. */
  current(): Session | null
  /** Returns the session, or null if there is none or it has expired. It calls no listener and changes nothing. */
  peek(): Session | null
  /**
   * Waits until an asynchronous storage has been read. Returns undefined if there is nothing to
   * wait for. With a session in a cookie, only a page that resumes waits for the other tabs.
   */
  load(isResuming?: boolean): Promise<void> | undefined
  /** Returns what begins a session with tokens, unless there is a logout until then. */
  opening(): (token: Token, user?: User) => Opened
  /**
   * Continues a session with other tokens, unless it has ended or another has begun meanwhile. Null
   * ends it as refused.
   */
  renew(session: Session, token: Token | null): void
  /** Marks the access token of a session as refused by the server, so that it has to be refreshed. */
  refuse(session: Session): void
  /**
   * Reports whether the access token can be used for `ms` milliseconds more: not expired, not
   * refused, and not from the future.
   */
  isFresh(session: Session, ms: number): boolean
  /** Keeps the user that the server has returned to a session, unless another session has begun meanwhile. */
  learn(session: Session | undefined, user: User): void
  /** The name of the session among the tabs that share it or have copies. Undefined if no other tab can have it. */
  readonly sharedAs: string | undefined
  /** Takes over a later state of the session that another tab has. */
  catchUp(): Promise<void>
  /**
   * Ends the session and returns it. A session that the storage has lost is returned as well, for
   * the server to end it.
   */
  logout(): Session | null
  listen(listener: (change: AuthChange) => void): () => void
  /** Stops the timer, and leaves the other tabs and clients. No listener is called any more. The session stays. */
  close(): void
}

/** The result of a login. */
export interface Opened {
  readonly session: Session
  /** The session to end at the server: the one before, or this one if a logout came first. */
  readonly left: Session | null
}

/** Makes a client of the page read the storage. `reason` is why the session has ended if there is none. */
type Look = (reason?: SignedOutReason) => void

/** The clients of the page, by the place where they keep their session. */
const clients = new WeakMap<object, Set<Look>>()

/** Opens the session that a storage has for the server at `baseUrl`. */
export function openSessions(storage: TokenStorage, baseUrl = ''): Sessions {
  const listeners = new Set<(change: AuthChange) => void>()
  const place = storage.area ?? storage
  const peers = clients.get(place) ?? new Set()
  clients.set(place, peers)
  let timer: ReturnType<typeof setTimeout> | undefined
  /** The number of logouts. A login compares it to notice one that came first. */
  let logouts = 0
  /** The text that was read last, and the session in it. */
  let text: string | null = null
  let seen: Session | null = null
  /** The session that the listeners were last called with. */
  let known: Session | null = null
  /** The same, or the session that the storage has lost. The server still accepts it. */
  let last: Session | null = null
  /** The access token that the server has refused. */
  let refused: string | undefined

  /** Works on the storage. A storage that fails is replaced by one in memory, which has the text that was read last. */
  const use = <T>(work: () => T): T => {
    try {
      return work()
    } catch {
      storage = memoryStorage()
      if (text) storage.set(text)
      return work()
    }
  }

  /** Reads the session. It returns the same object for the same text, and the same user object for an equal user. */
  const read = () => {
    const found = use(() => storage.get())
    if (found !== text) {
      text = found
      const session = parse(found)
      const user = session?.login === seen?.login && seen?.user
      // A storage may be too small for the user, and keep the rest.
      seen = session && user && (!session.user || isEqual(session.user, user)) ? { ...session, user } : session
    }
    return seen
  }
  const peek = () => {
    const session = read()
    return session && Date.now() < endOf(session) ? session : null
  }

  const announce = (change: AuthChange) => {
    for (const listener of [...listeners]) {
      try {
        listener(change)
      } catch (error) {
        // It is the listener's mistake: it becomes an uncaught error, and reaches neither the
        // caller nor the other listeners.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  const remove = () => {
    use(() => {
      try {
        storage.remove()
      } catch {
        storage.set('')
      }
    })
  }

  /** Reads the session, and calls the listeners with what differs from what they know. */
  const current = (reason: SignedOutReason = 'lost') => {
    const session = peek()
    if (!session && seen) remove()
    const before = known
    if (before && Date.now() >= endOf(before)) reason = 'expired'
    known = session
    if (session || reason !== 'lost') last = session
    watch()
    if (!session) {
      if (before) announce({ type: 'signed_out', reason })
    } else if (before?.login !== session.login) announce({ type: 'signed_in' })
    else {
      const { user } = session
      if (before.access_token !== session.access_token) announce({ type: 'token_refreshed' })
      if (user && before.user !== user) announce({ type: 'user_updated', user })
    }
    return session
  }
  const look: Look = (reason = 'logout') => {
    current(reason)
  }
  const share = (reason?: SignedOutReason) => {
    for (const each of [...peers]) each(reason)
  }

  /**
   * Sets the timer that reads again when the session has expired. Without listeners there is none:
   * on a server it would only keep the client of each request.
   */
  const watch = () => {
    clearTimeout(timer)
    if (!known || !peers.has(look) || listeners.size === 0) return
    timer = setTimeout(() => current(), Math.min(endOf(known) - Date.now(), longestWait))
    // Node would wait for it before it ends; in a browser it is a number.
    ;(timer as { unref?: () => void }).unref?.()
  }

  /** Stores a session. All clients of the page read it. */
  const keep = (session: Session) => {
    use(() => {
      try {
        storage.set((text = JSON.stringify(session)))
      } catch {
        try {
          // The storage may be too small for the user.
          storage.set((text = JSON.stringify({ ...session, user: undefined })))
        } catch (error) {
          // A tab that reads the former token would use it again, which ends the session.
          storage.remove()
          throw error
        }
      }
    })
    seen = session
    share()
  }
  /** Stores another state of the session, and sends it to the other tabs. */
  const change = (session: Session, isRenewed = false) => {
    keep(session)
    tabs?.tell(session, isRenewed)
  }

  const end = (reason: SignedOutReason) => {
    // What isn't ours stays.
    if (read()) remove()
    share(reason)
  }

  const learn = (owner: Session | undefined, user: User) => {
    const session = read()
    if (session && session.login === owner?.login && !isEqual(session.user, user)) change({ ...session, user })
  }

  last = known = read()
  peers.add(look)
  watch()
  const unsubscribe = storage.subscribe?.(look)
  const sharedAs = storage.sharedAs && `latchkey ${baseUrl} ${storage.sharedAs}`
  const tabs = sharedAs ? storage.join?.(sharedAs, storage.isCopied, { read, keep, learn }) : undefined

  return {
    sharedAs,
    current,
    peek,
    load: (isResuming) => {
      if (!storage.isInCookie || isResuming)
        return storage
          .load?.()
          ?.catch(() => undefined)
          .then(() => void current())
    },
    catchUp: async () => tabs?.catchUp(),
    opening: () => {
      const before = logouts
      return (token, user) => {
        const session = { ...token, since: Date.now(), login: Math.random(), user }
        if (before !== logouts) return { session, left: session }
        const left = read() ?? last
        keep(session)
        tabs?.begun()
        return { session, left }
      }
    },
    renew: (session, token) => {
      const mine = read()
      if (!mine || stateOf(mine) !== stateOf(session)) return
      if (!token) end('refused')
      else change({ ...mine, ...token, since: Date.now(), turn: (mine.turn ?? 0) + 1 }, true)
    },
    refuse: (session) => {
      refused = session.access_token
    },
    isFresh: ({ access_token, since, expires_in }, ms) => {
      const now = Date.now()
      return access_token !== refused && since <= now + skew && now + ms < since + expires_in * 1000
    },
    learn,
    logout: () => {
      logouts++
      const session = read() ?? last
      end('logout')
      return session
    },
    listen: (listener) => {
      listeners.add(listener)
      watch()
      return () => void listeners.delete(listener)
    },
    close: () => {
      listeners.clear()
      peers.delete(look)
      clearTimeout(timer)
      unsubscribe?.()
      tabs?.close()
    },
  }
}

/**
 * Returns when the session ends unless it is refreshed before, in milliseconds since 1970; Infinity
 * if a cookie keeps it.
 */
export function endOf(session: Session): number {
  return session.since + (session.refresh_expires_in ?? Infinity) * 1000
}

/** Returns what a refresh replaces. The access token may change without a refresh, by a proof of who the user is. */
function stateOf(session: Session): string {
  return session.refresh_token ?? session.access_token
}

function isEqual(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/**
 * Parses a stored session. It returns null for any other text. A session of an older release has no
 * turn and no user.
 */
export function parse(text: unknown): Told | null {
  try {
    const { user, ...session } = tokenOf(JSON.parse(text as string)) as Told
    if (!(session.since > 0 && session.login >= 0)) return null
    try {
      return { ...session, user: userOf(user) }
    } catch {
      return session
    }
  } catch {
    return null
  }
}
