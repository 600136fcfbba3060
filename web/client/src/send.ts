import { originOf } from './bearer.ts'
import type { Session, Sessions } from './session.ts'

/** What a challenge has where the token is refused (RFC 6750 section 3.1). */
const invalidToken = 'invalid_token'

/** The session that an answer is for. */
export const answered = new WeakMap<Response, Session>()

/**
 * Returns what sends a request with the token of a session, and once more with another one where that is refused. A request that
 * `isOnce` can't be sent again, as its body is a stream.
 */
export function bearerSender(
  sessions: Sessions,
  current: () => Promise<Session | null>,
  send: (request: Request) => Promise<Response>,
  refreshes: boolean,
): (request: Request, used: Session, isOnce?: boolean) => Promise<Response> {
  /**
   * For each origin that has refused a new token, when that expires; in milliseconds since 1970. Until then no refresh is made for the
   * origin: two of them would refuse each other's new tokens without end.
   */
  const hopeless = new Map<string | undefined, number>()
  const sendAs = async (session: Session, request: Request) => {
    request.headers.set('Authorization', `Bearer ${session.access_token}`)
    const response = await send(request)
    answered.set(response, session)
    return response
  }
  return async (request, used, isOnce) => {
    const origin = originOf(request.url)
    const isRefused = ({ status, headers, redirected, url }: Response) =>
      status === 401 &&
      // An API may have no challenge, or show it to no page of another origin. One for something else, such as a code, isn't about the token.
      (headers.get('WWW-Authenticate') ?? (isOnce ? '' : invalidToken)).includes(invalidToken) &&
      // Behind a redirect to another origin, nobody was shown the token.
      !(redirected && originOf(url) !== origin)
    const first = await sendAs(used, isOnce ? request : request.clone())
    if (!refreshes || !isRefused(first) || Date.now() < (hopeless.get(origin) ?? 0)) return first
    // The token would be refused the next time too. Whether the session has ended, a refresh tells.
    sessions.refuse(used)
    const next = isOnce ? used : await current().catch(() => used)
    if (!next || next.access_token === used.access_token) return first
    // What was refused was not done.
    const second = await sendAs(next, request)
    if (isRefused(second)) hopeless.set(origin, next.since + next.expires_in * 1000)
    return second
  }
}
