import type { TokenStorage } from './storage.ts'

/** The attributes of a session's cookie, in the names that Next, SvelteKit and the `cookie` package share. */
export interface CookieAttributes {
  path: string
  httpOnly: boolean
  sameSite: 'lax'
  secure: boolean
  /** In seconds. 0 removes the cookie. */
  maxAge: number
  /** Set to a moment in the past where the cookie is removed: Next drops a `maxAge` of 0 on some of its ways. */
  expires?: Date
}

/**
 * The cookies of one request and its response. Next's `cookies()`, `request.cookies` and
 * `response.cookies` fit, and SvelteKit's `cookies`. `get` returns the value as it was set, or an
 * object that has it.
 */
export interface CookieJar {
  get(name: string): string | { value: string } | null | undefined
  set(name: string, value: string, attributes: CookieAttributes): unknown
}

export interface CookieJarOptions {
  /** The cookie's name: `__Host-latchkey` where it is `secure`, else `latchkey`, unless set. */
  name?: string
  /**
   * Whether the cookie is sent by HTTPS alone; true unless set. Browsers accept such a cookie from
   * `http://localhost`, except Safari.
   */
  secure?: boolean
  /** The life of the cookie in seconds; that of the session unless set. */
  maxAge?: number
}

/** What a cookie may have in its name and value together, in bytes: browsers drop a longer one without a word. */
const longestCookie = 4096

/**
 * Leaves out the user of a session. A browser can write another one into its cookie, so none is
 * taken from there either.
 */
function withoutUser(text: string): string {
  return JSON.stringify({ ...(JSON.parse(text) as object), user: undefined })
}

/**
 * Keeps the session in a cookie of a site that renders on its server. No script can read the cookie
 * (`HttpOnly`), and a form of another site doesn't bring it (`SameSite=Lax`). Make a client for
 * each request: a client that two requests share would mix users.
 *
 * The cookie doesn't keep `user`: a client has it once the server has returned it, as by `me`.
 * `set` throws a RangeError where the cookie would be longer than the 4,096 bytes that browsers
 * take, and what the jar throws, as Next's does in a Server Component. The client then keeps the
 * session in memory.
 */
export function cookieJarStorage(
  jar: CookieJar,
  { secure = true, name = secure ? '__Host-latchkey' : 'latchkey', maxAge }: CookieJarOptions = {},
): TokenStorage {
  const attributes = { path: '/', httpOnly: true, sameSite: 'lax', secure } as const
  const kept = () => {
    const cookie = jar.get(name) ?? ''
    return typeof cookie === 'string' ? cookie : cookie.value
  }
  return {
    get: () => {
      const text = kept()
      try {
        return withoutUser(text)
      } catch {
        // A cookie that was removed in this response is empty in some jars.
        return null
      }
    },
    set: (text) => {
      const value = withoutUser(text)
      // If this response is slow, the browser may have a later state by then, which it must not
      // lose.
      if (value === kept()) return
      const { refresh_expires_in: life } = JSON.parse(text) as { refresh_expires_in: number }
      if (name.length + encodeURIComponent(value).length > longestCookie) {
        throw new RangeError(`the session is longer than a cookie of ${longestCookie} bytes`)
      }
      jar.set(name, value, { ...attributes, maxAge: maxAge ?? life })
    },
    remove: () => {
      jar.set(name, '', { ...attributes, maxAge: 0, expires: new Date(0) })
    },
  }
}
