import type { components } from './api.ts'
import { parse, type Session } from './session.ts'

/** A channel between the tabs of an origin. */
export interface Channel {
  postMessage(text: string | null): void
  close(): void
}

/** Joins the channel of a name. Returns undefined if there are no channels, or the page may not use one. */
export function openChannel(name: string, hear: (text: unknown) => void): Channel | undefined {
  try {
    const channel: BroadcastChannel & { unref?: () => void } = new BroadcastChannel(name)
    channel.onmessage = (message) => {
      hear(message.data)
    }
    // Node would wait for messages before it ends.
    channel.unref?.()
    return channel
  } catch {
    return undefined
  }
}

/** The session of a tab. */
export interface Own {
  read(): Session | null
  /** Takes over a later state. */
  keep(session: Session): void
  /** Takes over the user. */
  learn(session: Session, user: components['schemas']['User']): void
}

/** The other tabs, for a client. */
export interface Tabs {
  /** Records that another session has begun, which no other tab has. */
  begun(): void
  /** Sends the session to the other tabs. It is the latest state if it was renewed. */
  tell(session: Session, isRenewed: boolean): void
  /** Takes over a later state of the session that another tab has. */
  catchUp(): Promise<void>
  close(): void
}

/** The time in milliseconds that other tabs have to answer, and the browser to show them a change of the storage. */
const hearing = 100

/**
 * The same for a session that may be an old copy, whose use would end it. The tab with the latest
 * state may be busy.
 */
const longHearing = 1000

/** Joins the tabs that share a session, or with `isCopied` have copies of it, under a name. */
export function joinTabs(name: string, isCopied: boolean | undefined, own: Own): Tabs {
  /** Whether the stored session is known to have been the latest state, rather than a copy of unknown age. */
  let isNewest = false
  /** Whether another tab has sent this session since it was last asked. */
  let hasOthers = false
  /** Ends the wait for other tabs. */
  let answered: () => void = () => undefined

  /** Compares the session with that of another tab. Both continue with the later state of a login. */
  const compare = (text: unknown) => {
    const mine = own.read()
    const told = parse(text)
    if (!mine || mine.login !== told?.login) return
    hasOthers = true
    const { asks, ...theirs } = told
    const ahead = (theirs.turn ?? 0) - (mine.turn ?? 0) || theirs.since - mine.since
    if (ahead > 0) {
      own.keep(theirs)
      isNewest = !asks
    } else if (!ahead && !asks && theirs.user) own.learn(mine, theirs.user)
    // A tab that may have an old copy leaves the answer to one with the latest state.
    if (ahead < 0 || (!ahead && asks && isNewest)) tell(mine)
    if (ahead >= 0 && !asks) {
      isNewest = true
      answered()
    }
  }

  const tell = (session: Session, asks = !isNewest) =>
    channel?.postMessage(JSON.stringify(asks ? { ...session, asks } : session))

  let channel = openChannel(name, compare)

  return {
    begun: () => {
      isNewest = true
      hasOthers = false
    },
    tell: (session, isRenewed) => {
      isNewest ||= isRenewed
      tell(session)
    },
    catchUp: async () => {
      const mine = own.read()
      // Copies change only by the channel.
      if (!mine || (isCopied && !channel)) return
      const isLong = isCopied && (hasOthers || !isNewest)
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
    close: () => {
      channel?.close()
      channel = undefined
    },
  }
}
