import { hasScopes, type Claims, type Verify } from './verify.ts'

/** A response that refuses a request: a problem document (RFC 9457), with the challenge of RFC 6750 section 3. */
export interface Refusal {
  status: 400 | 401 | 403 | 503
  headers: Record<string, string>
  body: string
}

/** The claims of a request's token, or the response that refuses the request. */
export type Outcome = { user: Claims; refusal?: undefined } | { user?: undefined; refusal: Refusal }

/** The part of Node's `http.IncomingMessage` that is read. */
export interface IncomingHead {
  /** Names and values in turn, as received. `headers` would hide a repeated header. */
  readonly rawHeaders: readonly string[]
  readonly url?: string | undefined
}

const notAuthenticated = refusal(401, 'Unauthorized', 'not_authenticated', 'Not authenticated', {
  'WWW-Authenticate': 'Bearer',
})
const invalidToken = refusal(401, 'Unauthorized', 'invalid_token', 'Could not validate token credentials.', {
  'WWW-Authenticate': 'Bearer error="invalid_token"',
})
const sentTwice = refusal(
  400,
  'Bad Request',
  'ambiguous_credentials',
  'A token may be sent in one way only: the Authorization header.',
  { 'WWW-Authenticate': 'Bearer error="invalid_request"' },
)
const unavailable = refusal(503, 'Service Unavailable', 'unavailable', 'The service can’t answer now. Try again.', {
  'Retry-After': '1',
})

function refusal(
  status: Refusal['status'],
  title: string,
  code: string,
  detail: string,
  headers: Record<string, string>,
  more: object = {},
): Refusal {
  return {
    status,
    headers: { ...headers, 'Cache-Control': 'no-store', 'Content-Type': 'application/problem+json' },
    body: JSON.stringify({ title, status, detail, code, ...more }),
  }
}

/** A scope (RFC 6749 section 3.3). */
const scopeForm = /^[!#-[\]-~]+$/

/**
 * Returns a function that refuses a user whose token lacks one of the scopes (RFC 6750 section
 * 3.1). Without a user, it refuses the request as one without a token: nothing has checked the
 * token before.
 *
 * @throws TypeError without a scope, or if one isn't of the form: a list that is empty by mistake
 * must not let everybody in.
 */
export function demand(scopes: readonly string[]): (user: Claims | undefined) => Refusal | undefined {
  if (scopes.length === 0 || !scopes.every((scope) => scopeForm.test(scope))) {
    throw new TypeError('requireScope needs scopes, such as users:read')
  }
  const lacking = refusal(
    403,
    'Forbidden',
    'insufficient_scope',
    'The token or the roles of its user lack a scope.',
    { 'WWW-Authenticate': `Bearer error="insufficient_scope", scope="${scopes.join(' ')}"` },
    { scopes },
  )
  return (user) => {
    if (!user) return notAuthenticated
    return hasScopes(user, ...scopes) ? undefined : lacking
  }
}

/**
 * Checks the one `Authorization: Bearer` header of a request (RFC 6750 section 2.1).
 * `authorization` is its value, and `url` the request's, with or without an origin.
 *
 * The scheme is compared without case. A token in the query string is never accepted, and is
 * refused beside one in the header. Rejects only with an error that `verify` isn't documented to
 * have.
 */
export async function authenticate(verify: Verify, authorization: string | undefined, url: string): Promise<Outcome> {
  if (authorization === undefined) return { refusal: notAuthenticated }
  const [, query = ''] = /\?(.*)/s.exec(url) ?? []
  if (new URLSearchParams(query).has('access_token')) return { refusal: sentTwice }
  // Several headers arrive joined by a comma, which no token has.
  const found = /^bearer(?: +([^,]*))?$/i.exec(authorization)
  if (!found) return { refusal: notAuthenticated }
  try {
    return { user: await verify(found[1] ?? '') }
  } catch (error) {
    // By name: the verifier may come from another copy of the package.
    const name = error instanceof Error ? error.name : ''
    if (name === 'InvalidToken') return { refusal: invalidToken }
    if (name === 'KeysUnavailable') return { refusal: unavailable }
    throw error
  }
}

/** Does the same for a request of Node. */
export function authenticateNode(verify: Verify, { rawHeaders, url = '' }: IncomingHead): Promise<Outcome> {
  const values = rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1]?.toLowerCase() === 'authorization')
  return authenticate(verify, values.length > 0 ? values.join(', ') : undefined, url)
}
