import type { components } from './api.ts'
import type { Session, Sessions } from './session.ts'

/** Exchanges a session for the next one; null when it can't be, so that it has ended. */
export type Refresh = (session: Session) => Promise<components['schemas']['Token'] | null>

/** The part of `navigator.locks` that is needed. */
export interface Locks {
  request<T>(name: string, callback: () => Promise<T>): Promise<T>
}

/** A session is refreshed so many milliseconds before it expires, lest it does on its way. */
const margin = 10_000

/**
 * Answers a session that is still good, and refreshes it before if need be: once for all who ask at the same moment, and,
 * where there are Web Locks, once for all tabs that share a storage. If a refresh fails without an answer, the session stays as it is.
 */
export function refresher(sessions: Sessions, refresh: Refresh, locks = globalLocks()): () => Promise<Session | null> {
  let inFlight: Promise<Session | null> | undefined
  const renew = async () => {
    // Whoever had the lock before may have done it.
    const session = sessions.latest()
    if (session === null || isFresh(session)) return session
    const token = await refresh(session)
    if (token !== null) return sessions.begin(token)
    sessions.refuse(session.accessToken)
    return null
  }
  return async () => {
    const session = sessions.latest()
    if (session === null || isFresh(session)) return session
    inFlight ??= (locks ? locks.request('latchkey-refresh', renew) : renew()).finally(() => {
      inFlight = undefined
    })
    return inFlight.catch(() => sessions.current())
  }
}

function isFresh(session: Session): boolean {
  return Date.now() < session.expiresAt - margin
}

function globalLocks(): Locks | undefined {
  return (globalThis.navigator as { locks?: Locks } | undefined)?.locks
}
