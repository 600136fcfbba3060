import { tokenOf } from './answers.ts'
import type { components } from './api.ts'
import { memoryStorage, type TokenStorage } from './storage.ts'
import { openChannel } from './tabs.ts'

type Token = components['schemas']['Token']

/** The tokens, and since when they live, in milliseconds since 1970 by this machine's clock. */
export interface Session extends Token {
  readonly since: number
  /** Tells one login from another; a refresh keeps it. */
  readonly login: number
}

/** What a tab tells the others: the session that it has, and whether it asks for a newer one, or for the word that there is none. */
interface Told extends Session {
  readonly asks?: boolean
}

export type SignedOutReason = 'logout' | 'expired' | 'refused'

/** Who is logged in has changed: in this page, or in another tab where the storage is shared. */
export type AuthChange = { type: 'signed_in' } | { type: 'signed_out'; reason: SignedOutReason }

/** What a timer can wait at most, in milliseconds: a longer one fires at once. */
const longestWait = 2 ** 31 - 1

/** The session of a client, and who wants to know of it. */
export interface Sessions {
  /** The session, or null; one that nobody has refreshed in time is dropped. */
  current(): Session | null
  /** Answers what begins a session with tokens, unless there is a logout until then. */
  opening(): (token: Token) => Opened
  /** Goes on with a session by other tokens, unless it has ended or another has begun meanwhile. Null ends it, as the server has refused it. */
  renew(session: Session, token: Token | null): void
  /** What tabs that share the session, or have copies of it, call it; undefined where no other tab can have it. */
  readonly sharedAs: string | undefined
  /** Takes over what another tab has refreshed meanwhile, if any does have this session in another state. */
  catchUp(): Promise<void>
  /** Ends the session, and answers which that was. */
  logout(): Session | null
  listen(listener: (change: AuthChange) => void): () => void
  /** Hears no more of the clock and of other tabs, and tells nobody. The session stays. */
  close(): void
}

/** What a login has come to. */
export interface Opened {
  readonly session: Session
  /** The session that nobody has any more, though the server still takes it: the one before, or this one if a logout came first. */
  readonly left: Session | null
}

/** How long other tabs may take to answer, in milliseconds; and a browser to tell them of what is stored. */
const hearing = 100

/** How long where what is kept may be an old copy, the use of which ends the session: who has the newest may be busy. */
const longHearing = 1000

/** Opens what a storage has of the server at `baseUrl`. */
export function openSessions(storage: TokenStorage, baseUrl = ''): Sessions {
  const listeners = new Set<(change: AuthChange) => void>()
  let timer: ReturnType<typeof setTimeout> | undefined
  /** How often there was a logout, for a login to see that it was overtaken by one. */
  let logouts = 0
  let isClosed = false
  /** The session that the listeners know of. */
  let known: Session | null = null
  /** Whether what is kept was the newest when it was last told, rather than a copy of whatever age that the storage began with. */
  let isNewest = false
  /** Whether another tab has told that it has this session, since it was asked. */
  let hasOthers = false
  /** Ends the wait for other tabs. */
  let answered: () => void = () => undefined

  /** Works on the storage. One that fails is given up: the session then is in memory, or forgotten. */
  const use = <T>(work: () => T): T => {
    try {
      return work()
    } catch {
      storage = memoryStorage()
      return work()
    }
  }
  const read = () => parse(use(() => storage.get()))
  const isCurrent = (session: Session) => stateOf(read()) === stateOf(session)

  /** Takes note of the session as it is now, and tells the listeners if it is of another login than before. */
  const settle = (session: Session | null, change: AuthChange) => {
    const before = known
    known = session
    watch()
    if (before?.login === session?.login) return
    for (const listener of [...listeners]) {
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

  const keep = (session: Session): Session => {
    use(() => {
      try {
        storage.set(JSON.stringify(session))
      } catch (error) {
        // Who reads the former token there would use it again, and so end the session.
        storage.remove()
        throw error
      }
    })
    isNewest = true
    settle(session, { type: 'signed_in' })
    return session
  }

  const end = (reason: SignedOutReason) => {
    // It may have come by another client of this page, of which nothing tells.
    known = read()
    if (!known) return
    use(() => {
      try {
        storage.remove()
      } catch {
        storage.set('')
      }
    })
    settle(null, { type: 'signed_out', reason })
  }

  const current = () => {
    const session = read()
    if (!session || Date.now() < endOf(session)) return session
    end('expired')
    return null
  }

  /** Notices what was changed by the clock or by somebody else. */
  const look = () => {
    const session = current()
    const reason = known && Date.now() >= endOf(known) ? 'expired' : 'logout'
    settle(session, session ? { type: 'signed_in' } : { type: 'signed_out', reason })
  }

  /** Looks again once the session has ended. A timer that nobody listens to would only keep a server's client of each request. */
  const watch = () => {
    clearTimeout(timer)
    if (!known || isClosed || listeners.size === 0) return
    timer = setTimeout(look, Math.min(endOf(known) - Date.now(), longestWait))
    // Node would wait for it before it ends; in a browser it is a number.
    ;(timer as { unref?: () => void }).unref?.()
  }

  /** Another tab tells the session that it has. Of two states of one login the later is good for both. */
  const compare = (text: unknown) => {
    const mine = read()
    const told = parse(text)
    if (!mine || mine.login !== told?.login) return
    hasOthers = true
    const { asks, ...theirs } = told
    const ahead = theirs.since - mine.since
    if (ahead > 0) {
      keep(theirs)
      isNewest = !asks
    }
    // Who doesn't know whether it has the newest leaves the answer to who does.
    if (ahead < 0 || (!ahead && asks && isNewest)) tell(mine)
    if (ahead >= 0 && !asks) {
      isNewest = true
      answered()
    }
  }

  const tell = (session: Session, asks = !isNewest) =>
    channel?.postMessage(JSON.stringify(asks ? { ...session, asks } : session))

  known = read()
  watch()
  const unsubscribe = storage.subscribe?.(look)
  const sharedAs = storage.sharedAs && `latchkey ${baseUrl} ${storage.sharedAs}`
  let channel = sharedAs ? openChannel(sharedAs, compare) : undefined

  return {
    sharedAs,
    current,
    catchUp: async () => {
      if (!sharedAs) return
      const mine = read()
      if (!mine) return
      const isLong = channel && storage.isCopied && (hasOthers || !isNewest)
      hasOthers = false
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, isLong ? longHearing : hearing)
        answered = () => {
          clearTimeout(timer)
          resolve()
        }
        tell(mine, true)
      })
    },
    opening: () => {
      const before = logouts
      return (token) => {
        const session = { ...token, since: Date.now(), login: Math.random() }
        if (before !== logouts) return { session, left: session }
        const left = read()
        keep(session)
        hasOthers = false
        return { session, left }
      }
    },
    renew: (session, token) => {
      if (!isCurrent(session)) return
      if (!token) end('refused')
      // The later state wins, also where the clock was set back.
      else tell(keep({ login: session.login, since: Math.max(Date.now(), session.since + 1), ...token }))
    },
    logout: () => {
      logouts++
      const session = read()
      end('logout')
      return session
    },
    listen: (listener) => {
      listeners.add(listener)
      watch()
      return () => void listeners.delete(listener)
    },
    close: () => {
      isClosed = true
      listeners.clear()
      clearTimeout(timer)
      unsubscribe?.()
      channel?.close()
      channel = undefined
    },
  }
}

/** When the session ends unless it is refreshed before; of one in a cookie, only the server and the browser know. */
export function endOf(session: Session): number {
  return session.since + (session.refresh_expires_in ?? Infinity) * 1000
}

/** What a refresh replaces. A session may have got another access token meanwhile, by a proof of who the user is. */
function stateOf(session: Session | null): string | undefined {
  return session?.refresh_token ?? session?.access_token
}

/** Reads what was kept. What isn't ours counts as nothing. */
function parse(text: unknown): Told | null {
  try {
    const session = tokenOf(JSON.parse(text as string)) as Told
    return session.since > 0 && session.login >= 0 ? session : null
  } catch {
    return null
  }
}
