import type { components } from './api.ts'
import { hasExpired, type Session, type Sessions } from './session.ts'

/** Exchanges a session for the next one; null when it can't be, so that it has ended. The signal says that nobody waits any more. */
export type Refresh = (session: Session, signal: AbortSignal) => Promise<components['schemas']['Token'] | null>

/** The part of `navigator.locks` that is needed. */
export interface Locks {
  request<T>(name: string, callback: () => Promise<T>): Promise<T>
}

/** A session is refreshed so many milliseconds before it expires, lest it does on its way. */
const margin = 10_000

/** How long a refresh may take, in milliseconds: no other tab can try meanwhile. */
const bound = 30_000

/**
 * Answers a session that is still good, and refreshes it before if need be: once for all who ask at the same moment, and,
 * where there are Web Locks, once for all tabs that share a storage. If a refresh fails without an answer, the session stays
 * as it is, and one that has expired rejects with the cause. So does the signal, which ends the wait but not the refresh.
 */
export function refresher(
  sessions: Sessions,
  refresh: Refresh,
  locks = globalLocks(),
): (signal: AbortSignal) => Promise<Session | null> {
  let inFlight: Promise<Session | null> | undefined
  const renew = async () => {
    // Whoever had the lock before may have done it.
    const session = sessions.current()
    if (session === null || isFresh(session)) return session
    const token = await inTime((signal) => refresh(session, signal))
    if (token === null) sessions.refuse(session.accessToken)
    else sessions.renew(session, token)
    return sessions.current()
  }
  return async (signal) => {
    const session = sessions.current()
    if (session === null || isFresh(session)) return session
    inFlight ??= (locks ? locks.request('latchkey-refresh', renew) : renew()).finally(() => {
      inFlight = undefined
    })
    try {
      return await until(signal, inFlight)
    } catch (cause) {
      const kept = sessions.current()
      if (kept !== null && hasExpired(kept)) throw cause
      return kept
    }
  }
}

function isFresh(session: Session): boolean {
  return Date.now() < session.expiresAt - margin
}

async function inTime<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const giveUp = new AbortController()
  const timer = setTimeout(() => {
    giveUp.abort(new DOMException('The refresh took too long.', 'TimeoutError'))
  }, bound)
  try {
    return await until(giveUp.signal, work(giveUp.signal))
  } finally {
    clearTimeout(timer)
  }
}

/** Waits for a promise, or rejects with the signal's reason if that comes first. */
function until<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      reject(signal.reason as Error)
    }
    if (signal.aborted) giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    promise.then(resolve, reject)
  })
}

function globalLocks(): Locks | undefined {
  return (globalThis.navigator as { locks?: Locks } | undefined)?.locks
}
