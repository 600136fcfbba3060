import { authenticateNode, demand, type IncomingHead, type Refusal } from './require-user.ts'
import type { Claims, Verify } from './verify.ts'

declare global {
  // Express and the types of its middlewares share these names: a namespace is how they are
  // extended.
  // eslint-disable-next-line @typescript-eslint/no-namespace
  namespace Express {
    // eslint-disable-next-line @typescript-eslint/no-empty-object-type -- merges with what else is declared of a user
    interface User extends Claims {}
    interface Request {
      /** The claims of the access token, on a route behind {@link requireUser}. */
      user?: User | undefined
    }
  }
}

/** The part of Node's `http.ServerResponse` that is used. */
export interface OutgoingResponse {
  writeHead(status: number, headers: Record<string, string>): unknown
  end(body: string): unknown
}

/**
 * Makes a middleware for Express, and for everything that has middlewares of this form. It lets a
 * request through if the request has a valid access token, whose claims are then `req.user`.
 *
 * It refuses any other request, whatever its method, with a problem document: 401 with a challenge
 * (RFC 6750 section 3), or 503 with `Retry-After` where the keys can't be fetched. Mount the
 * middleware for CORS before this one.
 */
export function requireUser(verify: Verify) {
  return async (
    request: IncomingHead & { user?: Claims | undefined },
    response: OutgoingResponse,
    next: (error?: unknown) => void,
  ): Promise<void> => {
    try {
      const { user, refusal } = await authenticateNode(verify, request)
      if (refusal) {
        refuse(response, refusal)
        return
      }
      request.user = user
    } catch (error) {
      next(error)
      return
    }
    next()
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
export function requireScope(...scopes: string[]) {
  const refusalOf = demand(scopes)
  return (
    request: IncomingHead & { user?: Claims | undefined },
    response: OutgoingResponse,
    next: (error?: unknown) => void,
  ): void => {
    const refusal = refusalOf(request.user)
    if (refusal) refuse(response, refusal)
    else next()
  }
}

function refuse(response: OutgoingResponse, { status, headers, body }: Refusal): void {
  response.writeHead(status, headers)
  response.end(body)
}
