import type { JWTVerifyGetKey } from 'jose'

import type { components } from './api.ts'

/** What an access token says, as the contract has it. */
export type Claims = components['schemas']['AccessTokenClaims']

export interface VerifierOptions {
  /** Where the server is, such as `https://auth.example.com`. Its keys are fetched from there, and from nowhere else. */
  url: string
  /** The `iss` that is demanded: the server's `LATCHKEY_JWT_ISSUER`. */
  issuer: string
  /** The `aud` that is demanded: the server's `LATCHKEY_JWT_AUDIENCE`. */
  audience: string
}

/** A token is not one of the server's, or not valid now. `cause` says why. */
export class InvalidToken extends Error {
  override readonly name = 'InvalidToken'
}

/** The keys can't be had from the server, and none are known that could serve. `cause` says why. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable'
}

/** How long keys are kept, how long they serve on while the server can't be reached, and how often they are fetched at most; in milliseconds. */
const cacheMaxAge = 300_000
const staleAge = 86_400_000
const cooldownDuration = 10_000

/** How far the clocks may be apart, in seconds: as at the server. */
const clockTolerance = 30

/** The longest token that is looked at, in characters: as at the server. */
const longestToken = 4096

/** What a header may have. Whoever doesn't know what else stands there must refuse it (RFC 7515 section 4.1.11). */
const members = ['alg', 'kid', 'typ']

/**
 * Makes a function that checks access tokens by the server's published keys, without asking the server for each.
 *
 * It answers the claims. It rejects with {@link InvalidToken}, or with {@link KeysUnavailable}. The keys are kept for five minutes, for a
 * day where the server can't be reached, and fetched again for a token under one that isn't among them, at most every ten seconds. A
 * session that has ended is not seen here: its access tokens are taken until they expire.
 */
export function createVerifier({ url, issuer, audience }: VerifierOptions): (token: string) => Promise<Claims> {
  const keysUrl = new URL(`${url.replace(/\/$/, '')}/.well-known/jwks.json`)
  const algorithms = ['ES256', 'EdDSA', 'RS256']
  const requiredClaims = ['iat', 'exp', 'jti', 'sub', 'username', 'uid', 'sid']
  // jose is an ES module, which CommonJS can only import at run time on Node before 20.19. So it is imported at the first call.
  let loaded: Promise<[Jose, JWTVerifyGetKey]> | undefined
  const load = async (): Promise<[Jose, JWTVerifyGetKey]> => {
    const jose = await import('jose')
    return [jose, serverKeys(jose, keysUrl)]
  }
  return async (token) => {
    const [{ jwtVerify }, keys] = await (loaded ??= load())
    try {
      if (token.length > longestToken) throw new TypeError('longer than any token of the server')
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

/** Finds the key that a header names. */
function serverKeys({ createLocalJWKSet, createRemoteJWKSet, errors }: Jose, url: URL): JWTVerifyGetKey {
  const remote = createRemoteJWKSet(url, { cacheMaxAge, cooldownDuration, timeoutDuration: 5_000 })
  let fetchedAt = 0
  return async (header, token) => {
    if (typeof header.kid !== 'string' || Object.keys(header).some((name) => !members.includes(name))) {
      throw new TypeError('the header is not one of the server’s')
    }
    try {
      const key = await remote(header, token)
      if (remote.fresh) fetchedAt = Date.now()
      return key
    } catch (cause) {
      if (cause instanceof errors.JWKSNoMatchingKey) throw cause
      const stale = remote.jwks()
      if (stale === undefined || Date.now() - fetchedAt > staleAge) {
        throw new KeysUnavailable('the server’s keys can not be fetched', { cause })
      }
      return createLocalJWKSet(stale)(header, token)
    }
  }
}

const texts = ['iss', 'jti', 'sub', 'username', 'uid', 'sid'] as const
const numbers = ['iat', 'exp'] as const

function claimsOf(payload: Record<string, unknown>): Claims {
  const isText = (name: string) => typeof payload[name] === 'string' && payload[name] !== ''
  if (!texts.every(isText) || !numbers.every((name) => typeof payload[name] === 'number')) {
    throw new TypeError('the claims are not those of the contract')
  }
  return payload as unknown as Claims
}
