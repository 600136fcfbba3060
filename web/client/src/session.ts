import type { components } from './api.ts'
import { memoryStorage, type TokenStorage } from './storage.ts'

/** A token and until when it lives, in milliseconds since 1970 by this machine's clock. */
export interface Session {
  readonly accessToken: string
  readonly expiresAt: number
}

export type SignedOutReason = 'logout' | 'expired' | 'refused'

/** Who is logged in has changed: in this page, or in another tab where the storage is shared. */
export type AuthChange = { type: 'signed_in' } | { type: 'signed_out'; reason: SignedOutReason }

/** The session of a client, and who wants to know of it. */
export class Sessions {
  readonly #storage: TokenStorage
  /** Where the session is while the storage fails. */
  readonly #fallback = memoryStorage()
  readonly #listeners = new Set<(change: AuthChange) => void>()

  constructor(storage: TokenStorage) {
    this.#storage = storage
    storage.subscribe?.(() => {
      this.#emit(this.#read() === null ? { type: 'signed_out', reason: 'logout' } : { type: 'signed_in' })
    })
  }

  /** The session, or null; one that has expired is dropped. */
  current(): Session | null {
    const session = this.#read()
    if (session === null || Date.now() < session.expiresAt) return session
    this.end('expired')
    return null
  }

  /** The session, expired or not: what a refresh begins with. */
  latest(): Session | null {
    return this.#read()
  }

  begin(token: components['schemas']['Token']): Session {
    const session = { accessToken: token.access_token, expiresAt: Date.now() + token.expires_in * 1000 }
    const text = JSON.stringify(session)
    try {
      this.#storage.set(text)
      this.#fallback.remove()
    } catch {
      this.#fallback.set(text)
    }
    this.#emit({ type: 'signed_in' })
    return session
  }

  end(reason: SignedOutReason): void {
    if (this.#read() === null) return
    this.#fallback.remove()
    try {
      this.#storage.remove()
    } catch {
      // It can't be read either, or it is read again: nothing here could do more.
    }
    this.#emit({ type: 'signed_out', reason })
  }

  /** Ends the session if it still is the one with this token: another may have begun meanwhile. */
  refuse(accessToken: string): void {
    if (this.#read()?.accessToken === accessToken) this.end('refused')
  }

  listen(listener: (change: AuthChange) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  #read(): Session | null {
    return parse(this.#fallback.get()) ?? parse(this.#stored())
  }

  #stored(): string | null {
    try {
      return this.#storage.get()
    } catch {
      return null
    }
  }

  #emit(change: AuthChange): void {
    for (const listener of [...this.#listeners]) listener(change)
  }
}

/** Reads what was kept. What isn't ours counts as nothing. */
function parse(text: string | null): Session | null {
  try {
    const { accessToken, expiresAt } = JSON.parse(text ?? '{}') as Partial<Session>
    return typeof accessToken === 'string' && typeof expiresAt === 'number' ? { accessToken, expiresAt } : null
  } catch {
    return null
  }
}
