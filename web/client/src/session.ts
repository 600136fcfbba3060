import type { components } from './api.ts'
import { memoryStorage, type TokenStorage } from './storage.ts'

/** A token and until when it lives, in milliseconds since 1970 by this machine's clock. */
export interface Session {
  readonly accessToken: string
  readonly expiresAt: number
  /** Tells one login from another; a refresh keeps it. */
  readonly login: number
}

export type SignedOutReason = 'logout' | 'expired' | 'refused'

/** Who is logged in has changed: in this page, or in another tab where the storage is shared. */
export type AuthChange = { type: 'signed_in' } | { type: 'signed_out'; reason: SignedOutReason }

type Token = components['schemas']['Token']

/** What a timer can wait at most, in milliseconds: a longer one fires at once. */
const longestWait = 2 ** 31 - 1

/** The session of a client, and who wants to know of it. */
export class Sessions {
  /** How often there was a logout, for a login to see that it was overtaken by one. */
  logouts = 0
  readonly #storage: TokenStorage
  readonly #renewable: boolean
  /** Where the session is while the storage fails. */
  readonly #fallback = memoryStorage()
  readonly #listeners = new Set<(change: AuthChange) => void>()
  /** What the storage held when a session ended, in case it can't let go of it. */
  #ended: string | null = null
  /** The session that the listeners know of. */
  #known: Session | null
  #timer: ReturnType<typeof setTimeout> | undefined

  /** A session that is `renewable` doesn't end when it expires: a refresh decides. */
  constructor(storage: TokenStorage, renewable = false) {
    this.#storage = storage
    this.#renewable = renewable
    this.#known = this.#read()
    this.#watch()
    storage.subscribe?.(() => {
      this.#look()
    })
  }

  /** The session, or null; one that has expired and isn't renewable is dropped. */
  current(): Session | null {
    const session = this.#read()
    if (session === null || this.#renewable || !hasExpired(session)) return session
    this.end('expired')
    return null
  }

  /** Begins a session, unless there was a logout since `logouts` was read. */
  begin(token: Token, logouts: number): Session {
    const session = sessionOf(token, Math.random())
    if (logouts === this.logouts) this.#keep(session)
    return session
  }

  /** Goes on with a session by another token, unless it has ended or another has begun meanwhile. */
  renew(session: Session, token: Token): void {
    if (this.#is(session.accessToken)) this.#keep(sessionOf(token, session.login))
  }

  logout(): void {
    this.logouts++
    this.end('logout')
  }

  end(reason: SignedOutReason): void {
    const session = this.#read()
    if (session === null) return
    this.#fallback.remove()
    this.#ended = this.#stored()
    const isRemoved = attempt(() => {
      this.#storage.remove()
    })
    if (!isRemoved) {
      attempt(() => {
        this.#storage.set('')
      })
    }
    // It may have come by another client of this page, of which nothing tells.
    this.#known = session
    this.#settle(null, { type: 'signed_out', reason })
  }

  /** Ends the session if it still is the one with this token: another may have begun meanwhile. */
  refuse(accessToken: string): void {
    if (this.#is(accessToken)) this.end('refused')
  }

  listen(listener: (change: AuthChange) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  #is(accessToken: string): boolean {
    return this.#read()?.accessToken === accessToken
  }

  #read(): Session | null {
    const stored = this.#stored()
    return parse(this.#fallback.get()) ?? (stored === this.#ended ? null : parse(stored))
  }

  #stored(): string | null {
    let text: string | null = null
    attempt(() => {
      text = this.#storage.get()
    })
    return text
  }

  #keep(session: Session): void {
    const text = JSON.stringify(session)
    const isKept = attempt(() => {
      this.#storage.set(text)
    })
    if (isKept) this.#fallback.remove()
    else this.#fallback.set(text)
    this.#settle(session, { type: 'signed_in' })
  }

  /** Notices what was changed by the clock or by somebody else. */
  #look(): void {
    const session = this.current()
    const reason = this.#known !== null && hasExpired(this.#known) ? 'expired' : 'logout'
    this.#settle(session, session === null ? { type: 'signed_out', reason } : { type: 'signed_in' })
  }

  /** Takes note of the session as it is now, and tells the listeners if it is of another login than before. */
  #settle(session: Session | null, change: AuthChange): void {
    const before = this.#known
    this.#known = session
    this.#watch()
    if (before?.login === session?.login) return
    for (const listener of [...this.#listeners]) {
      try {
        listener(change)
      } catch (error) {
        // Its own mistake: told as one that nobody has caught, and neither to the other listeners nor to the caller.
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }

  /** Looks again once the session has expired. */
  #watch(): void {
    clearTimeout(this.#timer)
    if (this.#known === null || this.#renewable) return
    const wait = Math.min(this.#known.expiresAt - Date.now(), longestWait)
    this.#timer = setTimeout(() => {
      this.#look()
    }, wait)
    // Node would wait for it before it ends; in a browser it is a number.
    ;(this.#timer as { unref?: () => void }).unref?.()
  }
}

function sessionOf(token: Token, login: number): Session {
  return { accessToken: token.access_token, expiresAt: Date.now() + token.expires_in * 1000, login }
}

export function hasExpired(session: Session): boolean {
  return Date.now() >= session.expiresAt
}

/** Reads what was kept. What isn't ours counts as nothing. */
function parse(text: string | null): Session | null {
  try {
    const { accessToken, expiresAt, login = 0 } = JSON.parse(text ?? '{}') as Partial<Session>
    return typeof accessToken === 'string' && typeof expiresAt === 'number' ? { accessToken, expiresAt, login } : null
  } catch {
    return null
  }
}

/** Does what a storage may refuse, and answers whether it did not. */
function attempt(work: () => void): boolean {
  try {
    work()
    return true
  } catch {
    return false
  }
}
