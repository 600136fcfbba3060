import type { MiddlewareHandler } from 'hono'

import { authenticate, demand } from './require-user.ts'
import type { Claims, Verify } from './verify.ts'

/** What {@link requireUser} sets, for `new Hono<{ Variables: UserVariables }>()`. */
export interface UserVariables {
  /** The claims of the access token. */
  user: Claims
}

/**
 * Makes a middleware for Hono. It lets a request through if the request has a valid access token,
 * whose claims are then `c.get('user')`.
 *
 * It refuses any other request, whatever its method, with a problem document: 401 with a challenge
 * (RFC 6750 section 3), or 503 with `Retry-After` where the keys can't be fetched. Mount `cors()`
 * before this one.
 */
export function requireUser(verify: Verify): MiddlewareHandler<{ Variables: UserVariables }> {
  return async (c, next) => {
    const { user, refusal } = await authenticate(verify, c.req.header('Authorization'), c.req.url)
    if (refusal) return c.body(refusal.body, refusal.status, refusal.headers)
    c.set('user', user)
    await next()
    return undefined
  }
}

/**
 * Makes a middleware that lets a request through if its access token has all of the scopes, such as
 * `users:read`. It goes behind {@link requireUser}. It refuses any other request with 403
 * `insufficient_scope` and a challenge that names the scopes (RFC 6750 section 3.1).
 *
 * A token keeps its scopes until it expires, also if its user has lost the role.
 *
 * @throws TypeError without a scope.
 */
export function requireScope(...scopes: string[]): MiddlewareHandler<{ Variables: UserVariables }> {
  const refusalOf = demand(scopes)
  return async (c, next) => {
    const refusal = refusalOf(c.get('user'))
    if (refusal) return c.body(refusal.body, refusal.status, refusal.headers)
    await next()
    return undefined
  }
}
