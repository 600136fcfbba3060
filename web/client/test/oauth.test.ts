// The token endpoint, as other people's OAuth2 clients see it: each logs in, refreshes and fails,
// and reports a refresh token that is good for nothing by its own type of error as `invalid_grant`
// (RFC 6749 section 5.2).
import * as oauth4webapi from 'oauth4webapi'
import { ErrorResponse, User, UserManager } from 'oidc-client-ts'
import * as openid from 'openid-client'
import { beforeAll, describe, expect, inject, test } from 'vitest'

import { createClient, type components } from '../dist/index.js'
import { someone } from './person.ts'

type Schemas = components['schemas']

/** What a client has got of the token endpoint. */
interface Tokens {
  access_token: string
  refresh_token?: string | undefined
  expires_in?: number | undefined
}

/** Another client of the same server. */
interface OAuthClient {
  /** Logs in, with the password grant. */
  login(username: string, password: string): Promise<Tokens>
  refresh(token: string): Promise<Tokens>
  /** Refreshes with a username beside the token. */
  refreshAs(username: string, token: string): Promise<Tokens>
  revoke(token: string): Promise<void>
  /** The `error` that the client's own type of error has; null if it is of another type. */
  codeOf(error: unknown): string | null
  /** Whether the client's error is about wrong credentials. */
  isUnauthorized(error: unknown): boolean
}

const clientId = 'a-client'

/** What the server says of itself. Its issuer is a name unless one was set, and these clients ask for an address. */
async function metadataOf(url: string) {
  const answer = await fetch(`${url}/.well-known/oauth-authorization-server`)
  return { ...((await answer.json()) as Schemas['Metadata']), issuer: url }
}

async function withOpenidClient(url: string): Promise<OAuthClient> {
  const config = new openid.Configuration(await metadataOf(url), clientId, undefined, openid.None())
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- The test's server is without TLS.
  openid.allowInsecureRequests(config)
  return {
    login: (username, password) => openid.genericGrantRequest(config, 'password', { username, password }),
    refresh: (token) => openid.refreshTokenGrant(config, token),
    refreshAs: (username, token) => openid.refreshTokenGrant(config, token, { username }),
    revoke: (token) => openid.tokenRevocation(config, token),
    codeOf: (error) => (error instanceof openid.ResponseBodyError ? error.error : null),
    // Its parser of challenges comes first, and the body is left to its caller.
    isUnauthorized: (error) =>
      error instanceof openid.WWWAuthenticateChallengeError &&
      error.status === 401 &&
      error.cause[0]?.scheme === 'bearer',
  }
}

async function withOauth4webapi(url: string): Promise<OAuthClient> {
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- The test's server is without TLS.
  const options = { [oauth4webapi.allowInsecureRequests]: true }
  const server = await metadataOf(url)
  const client = { client_id: clientId }
  const none = oauth4webapi.None()
  const refresh = async (token: string, additionalParameters = {}) =>
    oauth4webapi.processRefreshTokenResponse(
      server,
      client,
      await oauth4webapi.refreshTokenGrantRequest(server, client, none, token, { ...options, additionalParameters }),
    )
  return {
    login: async (username, password) =>
      oauth4webapi.processGenericTokenEndpointResponse(
        server,
        client,
        await oauth4webapi.genericTokenEndpointRequest(
          server,
          client,
          none,
          'password',
          { username, password },
          options,
        ),
      ),
    refresh,
    refreshAs: (username, token) => refresh(token, { username }),
    revoke: async (token) =>
      oauth4webapi.processRevocationResponse(
        await oauth4webapi.revocationRequest(server, client, none, token, options),
      ),
    codeOf: (error) => (error instanceof oauth4webapi.ResponseBodyError ? error.error : null),
    isUnauthorized: (error) =>
      error instanceof oauth4webapi.WWWAuthenticateChallengeError &&
      error.status === 401 &&
      error.cause[0]?.scheme === 'bearer',
  }
}

async function withOidcClientTs(url: string): Promise<OAuthClient> {
  const manager = new UserManager({
    authority: url,
    metadata: await metadataOf(url),
    client_id: clientId,
    redirect_uri: `${url}/callback`,
    scope: '',
  })
  const refresh = async (token: string, extraTokenParams = {}) => {
    const profile = { sub: '', iss: url, aud: clientId, exp: 0, iat: 0 }
    await manager.storeUser(new User({ access_token: '', token_type: 'bearer', refresh_token: token, profile }))
    const user = await manager.signinSilent({ extraTokenParams })
    if (user === null) throw new Error('nobody is logged in')
    return user
  }
  const codeOf = (error: unknown) => (error instanceof ErrorResponse ? error.error : null)
  return {
    login: (username, password) => manager.signinResourceOwnerCredentials({ username, password, skipUserInfo: true }),
    refresh,
    refreshAs: (username, token) => refresh(token, { username }),
    revoke: () => manager.revokeTokens(['refresh_token']),
    codeOf,
    isUnauthorized: (error) => codeOf(error) === 'invalid_grant',
  }
}

/** An email that no more attempts are taken for. */
const limited = someone().email

beforeAll(async () => {
  const auth = createClient({ baseUrl: inject('briefUrl') })
  for (let i = 0; i < 10; i++) await auth.login({ email: limited, password: 'not this one' })
})

describe.each([
  ['openid-client', withOpenidClient],
  ['oauth4webapi', withOauth4webapi],
  ['oidc-client-ts', withOidcClientTs],
])('%s', (_, connect) => {
  const url = inject('url')

  /** A client that has logged somebody in, and their tokens. */
  async function loggedIn() {
    const client = await connect(url)
    const ada = someone()
    expect(await createClient({ baseUrl: url }).register(ada)).toMatchObject({ ok: true })
    const { access_token, refresh_token = '', expires_in } = await client.login(ada.email, ada.password)
    expect(expires_in).toBeGreaterThan(890)
    return { client, ada, access_token, refresh_token }
  }

  const failure = (work: Promise<unknown>) =>
    work.then(
      () => {
        throw new Error('it has succeeded')
      },
      (error: unknown) => error,
    )

  /** Who an access token is of. */
  async function me(token: string): Promise<unknown> {
    const answer = await fetch(`${url}/api/users/me/`, { headers: { Authorization: `Bearer ${token}` } })
    return answer.json()
  }

  test('logs in and refreshes', async () => {
    const { client, ada, ...tokens } = await loggedIn()
    expect(await me(tokens.access_token)).toMatchObject({ email: ada.email })
    for (let i = 0, token = tokens.refresh_token; i < 3; i++) {
      const next = await client.refresh(token)
      expect(next.refresh_token).not.toBe(token)
      expect(await me(next.access_token)).toMatchObject({ email: ada.email })
      token = next.refresh_token ?? ''
    }
  })

  test('hears that a refresh token is none of the server’s', async () => {
    const client = await connect(url)
    expect(client.codeOf(await failure(client.refresh('lkr_nothing')))).toBe('invalid_grant')
  })

  test('hears that a refresh token was used before', async () => {
    const { client, refresh_token } = await loggedIn()
    const next = await client.refresh(refresh_token)
    const last = await client.refresh(next.refresh_token ?? '')
    expect(client.codeOf(await failure(client.refresh(refresh_token)))).toBe('invalid_grant')
    expect(client.codeOf(await failure(client.refresh(last.refresh_token ?? '')))).toBe('invalid_grant')
  })

  test('revokes a token, which is then dead', async () => {
    const { client, access_token, refresh_token } = await loggedIn()
    await client.revoke(refresh_token)
    await client.revoke(refresh_token)
    expect(client.codeOf(await failure(client.refresh(refresh_token)))).toBe('invalid_grant')
    expect(await me(access_token)).toMatchObject({ code: 'invalid_token' })
  })

  test('hears that the password is wrong', async () => {
    const { client, ada } = await loggedIn()
    expect(client.isUnauthorized(await failure(client.login(ada.email, 'not this one')))).toBe(true)
  })

  test('hears that the attempts are used up', async () => {
    const client = await connect(inject('briefUrl'))
    expect(client.codeOf(await failure(client.login(limited, 'not this one')))).toBe('temporarily_unavailable')
  })

  test('hears that a form is wrong, and keeps its session', async () => {
    const { client, ada, refresh_token } = await loggedIn()
    expect(client.codeOf(await failure(client.refreshAs(ada.email, refresh_token)))).toBe('invalid_request')
    expect(await me((await client.refresh(refresh_token)).access_token)).toMatchObject({ email: ada.email })
  })
})
