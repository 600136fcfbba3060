import { originOf } from './bearer.ts'
import type { Session, Sessions } from './session.ts'

/** The error code in the challenge of a refused token (RFC 6750 section 3.1). */
const invalidToken = 'invalid_token'

/** The session that an answer is for. */
export const answered = new WeakMap<Response, Session>()

/**
 * Returns a function that sends a request with the token of a session. If the token is refused, it
 * sends the request once more with a new token. A request that `isOnce` isn't sent again, because
 * its body is a stream.
 */
export function bearerSender(
  sessions: Sessions,
  current: () => Promise<Session | null>,
  send: (request: Request) => Promise<Response>,
  refreshes: boolean,
): (request: Request, used: Session, isOnce?: boolean) => Promise<Response> {
  /**
   * For each origin that has refused a new token, the time when that token expires, in milliseconds
   * since 1970. Until then no refresh is made for the origin: two such origins would refuse each
   * other's new tokens without end.
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
      // An API may send no challenge, or may not expose it to other origins. A challenge for
      // another reason isn't about the token.
      (headers.get('WWW-Authenticate') ?? (isOnce ? '' : invalidToken)).includes(invalidToken) &&
      // Behind a redirect to another origin, the token was not sent.
      !(redirected && originOf(url) !== origin)
    const first = await sendAs(used, isOnce ? request : request.clone())
    if (!refreshes || !isRefused(first) || Date.now() < (hopeless.get(origin) ?? 0)) return first
    // The token would be refused again. A refresh shows whether the session has ended.
    sessions.refuse(used)
    const next = isOnce ? used : await current().catch(() => used)
    if (!next || next.access_token === used.access_token) return first
    // Unread, it would keep a connection in Node, and the copy of the request's body.
    first.body?.cancel().catch(() => undefined)
    // A refused request was not carried out, so it may be sent again.
    const second = await sendAs(next, request)
    if (isRefused(second)) hopeless.set(origin, next.since + next.expires_in * 1000)
    return second
  }
}
