import type { components } from './api.ts'
import { parse, type Session } from './session.ts'

/** What the tabs of an origin tell each other by. */
export interface Channel {
  postMessage(text: string | null): void
  close(): void
}

/** Joins the channel of that name; undefined where there are none, or the page may not speak to others. */
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
  /** Another session has begun: no other tab has it yet. */
  begun(): void
  /** Tells the others the session, which is the newest if it was renewed. */
  tell(session: Session, isRenewed: boolean): void
  /** Takes over what another tab has refreshed meanwhile, if any does have this session in another state. */
  catchUp(): Promise<void>
  close(): void
}

/** How long other tabs may take to answer, in milliseconds; and a browser to tell them of what is stored. */
const hearing = 100

/** How long where what is kept may be an old copy, the use of which ends the session: who has the newest may be busy. */
const longHearing = 1000

/** Joins the tabs that share a session, or with `isCopied` have copies of it, under a name. */
export function joinTabs(name: string, isCopied: boolean | undefined, own: Own): Tabs {
  /** Whether what is kept was the newest when it was last told, rather than a copy of whatever age that the storage began with. */
  let isNewest = false
  /** Whether another tab has told that it has this session, since it was asked. */
  let hasOthers = false
  /** Ends the wait for other tabs. */
  let answered: () => void = () => undefined

  /** Another tab tells the session that it has. Of two states of one login the later is good for both. */
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
    // Who doesn't know whether it has the newest leaves the answer to who does.
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
      // Copies are heard of by the channel alone.
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
