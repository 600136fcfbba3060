import type { JWTVerifyGetKey } from 'jose'

import type { components } from './api.ts'

/** What an access token says, as the contract has it. */
export type Claims = components['schemas']['AccessTokenClaims']

/**
 * Checks an access token, and returns its claims. Rejects with {@link InvalidToken}, or with {@link
 * KeysUnavailable} where the keys can't be fetched.
 */
export type Verify = (token: string) => Promise<Claims>

/**
 * Reports whether a token has all of the scopes. It keeps them until it expires, also if its user
 * has lost the role.
 */
export function hasScopes({ scope }: Claims, ...scopes: string[]): boolean {
  const held = typeof scope === 'string' ? scope.split(' ') : []
  return scopes.every((each) => held.includes(each))
}

export interface VerifierOptions {
  /**
   * Where the server is, such as `https://auth.example.com`. Its keys are fetched from there, and
   * from nowhere else.
   */
  url: string
  /** The required `iss`: the server's `LATCHKEY_JWT_ISSUER`. */
  issuer: string
  /** The required `aud`: the server's `LATCHKEY_JWT_AUDIENCE`. */
  audience: string
}

/** The token isn't one of the server's, or isn't valid now. `cause` is the reason. */
export class InvalidToken extends Error {
  override readonly name = 'InvalidToken'
}

/** The keys can't be fetched from the server, and no known keys can be used. `cause` is the reason. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable'
}

/** How long keys are kept, and how long they are used while the server can't be reached; in milliseconds. */
const cacheMaxAge = 300_000
const staleAge = 86_400_000

/** The shortest time between two fetches, in milliseconds: with known keys, and after a failed fetch without any. */
const cooldownDuration = 10_000
const coldDuration = 1_000

/** How far the clocks may be apart, in seconds: as at the server. */
const clockTolerance = 30

/** The longest token that is decoded, in characters: as at the server. */
const longestToken = 4096

/** The form of a token. jose also reads padding and white space, so one token would have many spellings. */
const tokenForm = /^[\w-]+\.[\w-]+\.[\w-]+$/

/**
 * The members that a header may have. A token with another one is refused, such as `crit` (RFC 7515
 * section 4.1.11).
 */
const members = ['alg', 'kid', 'typ']

/**
 * Makes a function that checks access tokens by the server's published keys, without a request to
 * the server for each token. It needs only `fetch` and Web Crypto.
 *
 * The keys are kept for five minutes, and for a day while the server can't be reached. A token
 * under an unknown key causes a fetch, at most one in ten seconds. The function doesn't learn that
 * a session was ended: it accepts the session's access tokens until they expire.
 *
 * @throws TypeError if `url` is not a URL, or `issuer` or `audience` is missing.
 */
export function createVerifier({ url, issuer, audience }: VerifierOptions): Verify {
  // jose doesn't check what it has no value for, such as a variable of the environment that isn't
  // set.
  if (!issuer || !audience) throw new TypeError('issuer and audience are required')
  const keysUrl = new URL(`${url.replace(/\/$/, '')}/.well-known/jwks.json`)
  const algorithms = ['ES256', 'EdDSA', 'RS256']
  const requiredClaims = ['iat', 'exp', 'jti', 'sub', 'username', 'uid', 'sid']
  // jose is an ES module, which CommonJS can only import at run time on Node before 20.19. So it is
  // imported at the first call.
  let loaded: Promise<[Jose, JWTVerifyGetKey]> | undefined
  const load = async (): Promise<[Jose, JWTVerifyGetKey]> => {
    const jose = await import('jose')
    return [jose, serverKeys(jose, keysUrl)]
  }
  return async (token) => {
    const [{ jwtVerify }, keys] = await (loaded ??= load())
    try {
      if (token.length > longestToken || !tokenForm.test(token)) throw new TypeError('not written by the server')
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        clockTolerance,
        typ: 'at+jwt',
        algorithms,
        requiredClaims,
      })
      return claimsOf(payload)
    } catch (cause) {
      if (cause instanceof KeysUnavailable) throw cause
      throw new InvalidToken('not a token that is valid now', { cause })
    }
  }
}

type Jose = typeof import('jose')

/** Finds the key that a header names. A request never waits for a server that has just failed to answer. */
function serverKeys({ createLocalJWKSet, createRemoteJWKSet, errors }: Jose, url: URL): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(url, { cacheMaxAge, cooldownDuration, timeoutDuration: 5_000 })
  let fetchedAt = 0
  let failed: { at: number; cause: unknown } | undefined
  return async (header, token) => {
    if (typeof header.kid !== 'string' || Object.keys(header).some((name) => !members.includes(name))) {
      throw new TypeError('the header is not one of the server’s')
    }
    const since = failed ? Date.now() - failed.at : -1
    if (since < 0 || since >= (remote.jwks() ? cooldownDuration : coldDuration)) {
      try {
        const key = await remote(header, token)
        if (remote.fresh) fetchedAt = Date.now()
        return key
      } catch (cause) {
        if (cause instanceof errors.JWKSNoMatchingKey) throw cause
        failed = { at: Date.now(), cause }
      }
    }
    const stale = remote.jwks()
    if (stale === undefined || Date.now() - fetchedAt > staleAge) {
      throw new KeysUnavailable('the server’s keys can not be fetched', { cause: failed?.cause })
    }
    return createLocalJWKSet(stale)(header, token)
  }
}

const texts = ['iss', 'jti', 'sub', 'username', 'uid', 'sid'] as const
const numbers = ['iat', 'exp'] as const

function claimsOf(payload: Record<string, unknown>): Claims {
  const isText = (name: string) => typeof payload[name] === 'string' && payload[name] !== ''
  if (!texts.every(isText) || !numbers.every((name) => typeof payload[name] === 'number')) {
    throw new TypeError('the claims are not those of the contract')
  }
  const claims = payload as unknown as Claims
  // jose looks at it only beside a maximum age.
  if (claims.iat > Date.now() / 1000 + clockTolerance) throw new TypeError('issued in the future')
  return claims
}
