import type { components } from './api.ts'
import type { Result } from './errors.ts'
import type { Session, Sessions } from './session.ts'
import { wait } from './wait.ts'

/**
 * Returns the next tokens of a session, or null if the server has ended the session. `since` is the
 * moment from which on the refresh token may have been in use, in milliseconds since 1970.
 */
export type Refresh = (session: Session, since: number) => Promise<components['schemas']['Token'] | null>

/** The part of `navigator.locks` that is needed. */
export interface Locks {
  request<T>(name: string, callback: () => Promise<T>): Promise<T>
}

/** How long before its end an access token is refreshed, in milliseconds, so that it doesn't expire on its way. */
const margin = 10_000

/**
 * How long a tab waits for another tab that refreshes, in milliseconds. The browser may have frozen
 * the other tab. A second refresh logs nobody out: within the server's window (see below) both tabs
 * get the same tokens.
 */
export const lockWait = 3000

/**
 * Returns a function that returns the session with a usable access token, or null. It refreshes the
 * session first if necessary.
 *
 * - Callers at the same moment share one refresh.
 * - With Web Locks, all tabs that have the session or a copy share one refresh.
 * - If a refresh fails, the session stays. The function rejects with the cause if the access token
 *   has expired.
 */
export function refresher(sessions: Sessions, refresh: Refresh, locks = globalLocks()): () => Promise<Session | null> {
  let inFlight: Promise<Session | null> | undefined
  const stale = () => {
    const session = sessions.current()
    return session && !sessions.isFresh(session, margin) ? session : null
  }
  return async () => {
    await sessions.load()
    const session = stale()
    if (!session) return sessions.current()
    const since = Date.now()
    const renew = async () => {
      // The tab that had the lock before may have refreshed.
      if (stale()) await sessions.catchUp()
      const session = stale()
      if (session) sessions.renew(session, await refresh(session, since))
      return sessions.current()
    }
    // A tab with another login has nothing to wait for.
    const name = sessions.sharedAs && `${sessions.sharedAs} ${session.login}`
    inFlight ??= (locks && name ? inTurn(locks, name, renew) : renew()).finally(() => {
      inFlight = undefined
    })
    try {
      return await inFlight
    } catch (cause) {
      const kept = sessions.current()
      if (kept && !sessions.isFresh(kept, 0)) throw cause
      return kept
    }
  }
}

/**
 * Works once: under the lock, or without it after {@link lockWait}. It works at once if the page
 * may have no lock, as in a sandboxed frame. A lock that is granted later is released.
 */
async function inTurn<T>(locks: Locks, name: string, work: () => Promise<T>): Promise<T> {
  let working: Promise<T> | undefined
  const begin = () => (working ??= work())
  try {
    return await Promise.race([locks.request(name, begin), wait(lockWait).then(begin)])
  } catch {
    // Work that has failed isn't done again: it fails here, too.
    return await begin()
  }
}

/*
 * A refresh token that was used returns its successor again for LATCHKEY_REFRESH_REUSE_WINDOW, 10 s by
 * default. Later use ends the session. All tries are within this window. It is counted from the first
 * try, which may have used the token up.
 */

/** When the last try is due, and after when it isn't sent any more; in milliseconds since the first try. */
const lastTry = 7000
const tooLate = 8000

/** How long a try waits for its answer, and how long the last try does; in milliseconds. */
const patience = 2500
const lastPatience = 10_000

/**
 * Tries again while the outcome is unknown: nothing has answered, or the status is 500 or more. The
 * token may have been used up. `work` gets the time that a try may take, in milliseconds.
 */
export async function patiently<T extends Result<unknown, { code: string; status?: number; retryAfter?: number }>>(
  work: (timeout: number) => Promise<T>,
  began = Date.now(),
): Promise<T> {
  const since = () => Date.now() - began
  for (let pause = 500; ; pause *= 2) {
    const result = await work(since() + patience < lastTry ? patience : lastPatience)
    if (result.ok || (result.error.status ?? 500) < 500 || since() >= lastTry) return result
    // Nothing was sent.
    if (result.error.code === 'offline') return result
    await wait(Math.min(Math.max(pause, (result.error.retryAfter ?? 0) * 1000), lastTry - since()))
    // The machine may have slept.
    if (since() > tooLate) return result
  }
}

function globalLocks(): Locks | undefined {
  return (globalThis.navigator as { locks?: Locks } | undefined)?.locks
}
