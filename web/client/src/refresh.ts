import type { components } from './api.ts'
import type { Result } from './errors.ts'
import type { Session, Sessions } from './session.ts'

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
    if (!session || livesFor(session, margin)) return session
    const token = await refresh(session, AbortSignal.timeout(bound))
    sessions.renew(session, token)
    // A browser takes its time to tell other tabs of what is stored: whoever has the lock next shall see it.
    if (locks) await wait(100)
    return sessions.current()
  }
  return async (signal) => {
    const session = sessions.current()
    if (!session || livesFor(session, margin)) return session
    inFlight ??= (locks ? locks.request('latchkey-refresh', renew) : renew()).finally(() => {
      inFlight = undefined
    })
    try {
      return await until(signal, inFlight)
    } catch (cause) {
      const kept = sessions.current()
      if (kept && !livesFor(kept, 0)) throw cause
      return kept
    }
  }
}

/**
 * Tries again where nothing has answered, after so many milliseconds: the answer may have been lost on its way, and the token be
 * used up. All tries are within the server's window, in which such a token gives its successor again.
 */
export async function patiently<T extends Result<unknown, { code: string }>>(
  work: () => Promise<T>,
  [pause, ...later]: readonly number[] = [500, 1500, 4000],
): Promise<T> {
  const result = await work()
  if (result.ok || result.error.code !== 'network_error' || !pause) return result
  await wait(pause)
  return patiently(work, later)
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Whether the access token lives for so many milliseconds more. */
function livesFor(session: Session, ms: number): boolean {
  return Date.now() + ms < session.since + session.expires_in * 1000
}

/** Waits for a promise, or rejects with the signal's reason if that comes first. */
function until<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      reject(signal.reason as Error)
    }
    if (signal.aborted) giveUp()
    signal.addEventListener('abort', giveUp)
    promise.then(resolve, reject)
  })
}

function globalLocks(): Locks | undefined {
  return (globalThis.navigator as { locks?: Locks } | undefined)?.locks
}
