import { originOf } from './bearer.ts'
import type { Session, Sessions } from './session.ts'

/** What a challenge has where the token is refused (RFC 6750 section 3.1). */
const invalidToken = 'invalid_token'

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
  /** For each origin, the token that was refused there when it was new. To refresh it again would help nothing. */
  const hopeless = new Map<string | undefined, string>()
  const sendAs = ({ access_token }: Session, request: Request) => {
    request.headers.set('Authorization', `Bearer ${access_token}`)
    return send(request)
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
    if (!refreshes || !isRefused(first) || hopeless.get(origin) === used.access_token) return first
    // The token would be refused the next time too. Whether the session has ended, a refresh tells.
    sessions.renew(used, { ...used, expires_in: 1 })
    const next = isOnce ? used : await current().catch(() => used)
    if (!next || next.access_token === used.access_token) return first
    // What was refused was not done.
    const second = await sendAs(next, request)
    if (isRefused(second)) hopeless.set(origin, next.access_token)
    return second
  }
}
