import type {} from 'fastify'
import { authenticateNode, type IncomingHead } from './require-user.ts'
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
 * Makes a hook for Fastify's `onRequest`, of an application or of one route. It lets a request through if the request
 * has a valid access token, whose claims are then `request.user`.
 *
 * It refuses any other request, whatever its method, with a problem document: 401 with a challenge (RFC 6750 section
 * 3), or 503 with `Retry-After` where the keys can't be fetched. Register the plugin for CORS before this hook.
 */
export function requireUser(verify: Verify) {
  return async (request: { raw: IncomingHead; user?: Claims | undefined }, reply: Reply): Promise<unknown> => {
    const { user, refusal } = await authenticateNode(verify, request.raw)
    if (refusal) {
      reply.code(refusal.status)
      reply.headers(refusal.headers)
      reply.send(refusal.body)
      return reply
    }
    request.user = user
    return undefined
  }
}
