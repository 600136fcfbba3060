import type { components } from './api.ts'
import type { Result } from './errors.ts'
import type { Session, Sessions } from './session.ts'
import { until, wait } from './wait.ts'

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
 * where there are Web Locks, once for all tabs that have the session, be it in one storage or in copies. If a refresh fails, the
 * session stays as it is, and one that has expired rejects with the cause. So does the signal, which ends the wait but not the
 * refresh.
 */
export function refresher(
  sessions: Sessions,
  refresh: Refresh,
  locks = globalLocks(),
): (signal: AbortSignal) => Promise<Session | null> {
  let inFlight: Promise<Session | null> | undefined
  const stale = () => {
    const session = sessions.current()
    return session && !sessions.isFresh(session, margin) ? session : null
  }
  const renew = async () => {
    // Whoever had the lock before may have done it.
    if (stale()) await sessions.catchUp()
    const session = stale()
    if (session) sessions.renew(session, await refresh(session))
    return sessions.current()
  }
  return async (signal) => {
    const loading = sessions.load()
    if (loading) await until(signal, loading)
    const session = stale()
    if (!session) return sessions.current()
    // Whoever has another login has nothing to wait for.
    const name = sessions.sharedAs && `${sessions.sharedAs} ${session.login}`
    inFlight ??= (locks && name ? inTurn(locks, name, renew) : renew()).finally(() => {
      inFlight = undefined
    })
    try {
      return await until(signal, inFlight)
    } catch (cause) {
      const kept = sessions.current()
      if (kept && !sessions.isFresh(kept, 0)) throw cause
      return kept
    }
  }
}

/** Works while nobody else has the lock; without it where the page may have none, as in a sandboxed frame. */
async function inTurn<T>(locks: Locks, name: string, work: () => Promise<T>): Promise<T> {
  const begun: Promise<T>[] = []
  const begin = () => {
    const working = work()
    begun.push(working)
    return working
  }
  try {
    return await locks.request(name, begin)
  } catch {
    // What has failed under the lock is not done again, and fails here, too.
    return begun[0] ?? work()
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
 * have been used up.
 */
export async function patiently<T extends Result<unknown, { code: string; status?: number; retryAfter?: number }>>(
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const began = Date.now()
  const since = () => Date.now() - began
  for (let pause = 500; ; pause *= 2) {
    const giveUp = new AbortController()
    const timer = setTimeout(
      () => {
        giveUp.abort(new DOMException('no answer in time', 'TimeoutError'))
      },
      since() + patience < lastTry ? patience : lastPatience,
    )
    const result = await work(giveUp.signal)
    clearTimeout(timer)
    if (result.ok || (result.error.status ?? 500) < 500 || since() >= lastTry) return result
    await wait(Math.min(Math.max(pause, (result.error.retryAfter ?? 0) * 1000), lastTry - since()))
    // The machine may have slept.
    if (since() > tooLate) return result
  }
}

function globalLocks(): Locks | undefined {
  return (globalThis.navigator as { locks?: Locks } | undefined)?.locks
}
