import type { components } from './api.ts'
import type { Result } from './errors.ts'
import type { Session, Sessions } from './session.ts'
import { wait } from './wait.ts'

/**
 * Exchanges a session for the next one; null when it can't be, so that it has ended. Its refresh token may have been in use since the
 * moment `since`, in milliseconds since 1970.
 */
export type Refresh = (session: Session, since: number) => Promise<components['schemas']['Token'] | null>

/** The part of `navigator.locks` that is needed. */
export interface Locks {
  request<T>(name: string, callback: () => Promise<T>): Promise<T>
}

/** A session is refreshed so many milliseconds before it expires, lest it does on its way. */
const margin = 10_000

/**
 * How long a tab waits for the one that refreshes, in milliseconds. The browser may have frozen that one. To refresh beside it logs
 * nobody out: within the server's window (see below), both get the same tokens.
 */
export const lockWait = 3000

/**
 * Answers a session that is still good, and refreshes it before if need be: once for all who ask at the same moment, and,
 * where there are Web Locks, once for all tabs that have the session, be it in one storage or in copies. If a refresh fails, the
 * session stays as it is, and one that has expired rejects with the cause.
 */
export function refresher(sessions: Sessions, refresh: Refresh, locks = globalLocks()): () => Promise<Session | null> {
  let inFlight: Promise<Session | null> | undefined
  const stale = () => {
    const session = sessions.current()
    return session && !livesFor(session, margin) ? session : null
  }
  return async () => {
    const session = stale()
    if (!session) return sessions.current()
    const since = Date.now()
    const renew = async () => {
      // Whoever had the lock before may have done it.
      if (stale()) await sessions.catchUp()
      const session = stale()
      if (session) sessions.renew(session, await refresh(session, since))
      return sessions.current()
    }
    // Whoever has another login has nothing to wait for.
    const name = sessions.sharedAs && `${sessions.sharedAs} ${session.login}`
    inFlight ??= (locks && name ? inTurn(locks, name, renew) : renew()).finally(() => {
      inFlight = undefined
    })
    try {
      return await inFlight
    } catch (cause) {
      const kept = sessions.current()
      if (kept && !livesFor(kept, 0)) throw cause
      return kept
    }
  }
}

/**
 * Works once: under the lock, or without it after {@link lockWait}, or at once where the page may have none, as in a sandboxed frame.
 * A lock that comes later is given back.
 */
async function inTurn<T>(locks: Locks, name: string, work: () => Promise<T>): Promise<T> {
  let working: Promise<T> | undefined
  const begin = () => (working ??= work())
  try {
    return await Promise.race([locks.request(name, begin), wait(lockWait).then(begin)])
  } catch {
    // What has failed is not done again, and fails here, too.
    return await begin()
  }
}

/*
 * A refresh token that was used gives its successor again for LATCHKEY_REFRESH_REUSE_WINDOW, which is 10 s unless it was set, and
 * ends the session later. The tries are within that: counted from the first, which may have been the one that used it up.
 */

/** The last try is aimed at this moment, and not sent any more after that one; in milliseconds since the first was sent. */
const lastTry = 7000
const tooLate = 8000

/** How long a try waits for its answer before the next, and how long where there is no next; in milliseconds. */
const patience = 2500
const lastPatience = 10_000

/**
 * Tries again where it is unknown what came of it, as nothing has answered, or a server or a proxy in trouble has: the token may
 * have been used up. Each try is told how long it may take, in milliseconds.
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

/** Whether the access token lives for so many milliseconds more. */
function livesFor(session: Session, ms: number): boolean {
  return Date.now() + ms < session.since + session.expires_in * 1000
}

function globalLocks(): Locks | undefined {
  return (globalThis.navigator as { locks?: Locks } | undefined)?.locks
}
