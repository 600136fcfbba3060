import type {} from 'fastify'
import { authenticateNode, demand, type IncomingHead, type Refusal } from './require-user.ts'
import type { Claims, Verify } from './verify.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The claims of the access token, on a route behind {@link requireUser}. */
    user?: Claims | undefined
  }
}

/** The part of a `FastifyReply` that is used. */
export interface Reply {
  code(status: number): unknown
  headers(values: Record<string, string>): unknown
  send(body: string): unknown
}

/**
 * Makes a hook for Fastify's `onRequest`, of an application or of one route. It lets a request
 * through if the request has a valid access token, whose claims are then `request.user`.
 *
 * It refuses any other request, whatever its method, with a problem document: 401 with a challenge
 * (RFC 6750 section 3), or 503 with `Retry-After` where the keys can't be fetched. Register the
 * plugin for CORS before this hook.
 */
export function requireUser(verify: Verify) {
  return async (request: { raw: IncomingHead; user?: Claims | undefined }, reply: Reply): Promise<unknown> => {
    const { user, refusal } = await authenticateNode(verify, request.raw)
    if (refusal) return refuse(reply, refusal)
    request.user = user
    return undefined
  }
}

/**
 * Makes a hook that lets a request through if its access token has all of the scopes, such as
 * `users:read`. It goes behind {@link requireUser}. It refuses any other request with 403
 * `insufficient_scope` and a challenge that names the scopes (RFC 6750 section 3.1).
 *
 * A token keeps its scopes until it expires, also if its user has lost the role.
 *
 * @throws TypeError without a scope.
 */
export function requireScope(...scopes: string[]) {
  const refusalOf = demand(scopes)
  // A hook without a callback has to return a promise.
  return (request: { user?: Claims | undefined }, reply: Reply): Promise<unknown> => {
    const refusal = refusalOf(request.user)
    return Promise.resolve(refusal && refuse(reply, refusal))
  }
}

function refuse(reply: Reply, { status, headers, body }: Refusal): Reply {
  reply.code(status)
  reply.headers(headers)
  reply.send(body)
  return reply
}
