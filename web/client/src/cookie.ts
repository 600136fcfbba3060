import { memoryStorage, type TokenStorage } from './storage.ts'
import { joinTabs, openChannel } from './tabs.ts'

/** How long other tabs may take to answer, in milliseconds. */
const hearing = 100

/** The message that asks the other tabs. A text that is kept is never empty. */
const question = ''

/**
 * Leaves the refresh token in a cookie that no script can read (`LATCHKEY_SESSION_COOKIES`), and
 * keeps the access token in memory. The tabs of the origin send it to each other, so that they are
 * logged in and out together. After a reload, `resume` continues the session. Pages of one origin
 * that must not share their session need different keys.
 */
export function cookieStorage(key = 'latchkey'): TokenStorage {
  const kept = memoryStorage()
  const listeners = new Set<() => void>()
  let answered: () => void = () => undefined
  // Only a page has tabs. On a server, the clients of several users would hear each other.
  const open = typeof document === 'undefined' ? () => undefined : openChannel
  const channel = open(`latchkey cookie ${key}`, (told) => {
    if (told === question) {
      const mine = kept.get()
      if (mine !== null) channel?.postMessage(mine)
      return
    }
    if (typeof told === 'string') kept.set(told)
    else kept.remove()
    for (const changed of listeners) changed()
    answered()
  })
  return {
    isInCookie: true,
    sharedAs: key,
    join: joinTabs,
    get: () => kept.get(),
    set: (value) => {
      kept.set(value)
      channel?.postMessage(value)
    },
    remove: () => {
      kept.remove()
      channel?.postMessage(null)
    },
    load: () =>
      new Promise((resolve) => {
        answered = resolve
        setTimeout(resolve, channel ? hearing : 0)
        channel?.postMessage(question)
      }),
    subscribe: (listener) => {
      // One entry for each client, even if several subscribe the same function.
      const changed = () => {
        listener()
      }
      listeners.add(changed)
      return () => {
        listeners.delete(changed)
        if (listeners.size === 0) channel?.close()
      }
    },
  }
}
