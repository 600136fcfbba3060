import createFetchClient, { type Client as FetchClient } from 'openapi-fetch'

import { registeredUserOf, tokenOf, userOf } from './answers.ts'
import type { components, paths } from './api.ts'
import { takesToken } from './bearer.ts'
import { call } from './call.ts'
import type { LoginError, MeError, RegisterError, Result } from './errors.ts'
import { refresher, type Refresh } from './refresh.ts'
import { Sessions, type AuthChange, type Session } from './session.ts'
import { memoryStorage, type TokenStorage } from './storage.ts'

export type { components, operations, paths } from './api.ts'
export type {
  FieldError,
  LoginError,
  MeError,
  NetworkError,
  RegisterError,
  Result,
  ServerError,
  UnexpectedAnswer,
} from './errors.ts'
export type { AuthChange, SignedOutReason } from './session.ts'
export { memoryStorage, webStorage, type TokenStorage } from './storage.ts'

/** A user, as the contract has it. Times are RFC 3339 in UTC. */
export type User = components['schemas']['User']

/** What a new user chooses. */
export type Registration = components['schemas']['Registration']

/** Who logs in. Neither is trimmed nor changed in any way. */
export interface Credentials {
  email: string
  password: string
}

export interface ClientOptions {
  /** Where the server is, such as `https://auth.example.com`; '' for the page's own origin. No token is sent elsewhere. */
  baseUrl: string
  /** Where the session is kept; in memory unless said. */
  storage?: TokenStorage
  /** Replaces `fetch`. */
  fetch?: typeof globalThis.fetch
}

export interface CallOptions {
  /** Ends the call early, with a `network_error`. */
  signal?: AbortSignal
}

/** A client of one server, with one session at most. */
export interface Client {
  /** Creates an account and logs it in. */
  register(registration: Registration, options?: CallOptions): Promise<Result<User, RegisterError>>
  /** Logs in; the next calls are this user's. */
  login(credentials: Credentials, options?: CallOptions): Promise<Result<{ expiresAt: Date }, LoginError>>
  /** Asks who is logged in. */
  me(options?: CallOptions): Promise<Result<User, MeError>>
  /**
   * Forgets the session here. The contract has nothing yet that would end it at the server, where it lives until it expires.
   * A `login` or `register` that is under way then answers as ever, but logs nobody in.
   */
  logout(): Promise<void>
  /** Whether there is a session that has not expired. Only the server knows if it is still accepted: ask `me`. */
  isAuthenticated(): boolean
  /**
   * Calls the listener whenever a session begins or ends, also by the clock or in another tab. Answers what ends that. What
   * a listener throws is told as an error that nobody has caught, and changes nothing else.
   */
  onAuthChange(listener: (change: AuthChange) => void): () => void
  /** Every operation of the contract, typed; those that ask for a token get the session's. Unlike the rest, it throws. */
  api: FetchClient<paths>
}

/** Makes a client. Nothing is sent until one of its methods is called. */
export function createClient(options: ClientOptions): Client {
  const sessions = new Sessions(options.storage ?? memoryStorage())
  return connect(options, sessions, () => Promise.resolve(sessions.current()))
}

/** Is {@link createClient} with a means to refresh, for when the contract has one. */
export function createRefreshingClient(options: ClientOptions, refresh: Refresh): Client {
  const sessions = new Sessions(options.storage ?? memoryStorage(), true)
  return connect(options, sessions, refresher(sessions, refresh))
}

const loginPath = '/api/users/login/token/'
const registerPath = '/api/users/'

/** Makes the client of these sessions; `session` answers the one whose token is to be sent. */
function connect(
  options: ClientOptions,
  sessions: Sessions,
  session: (signal: AbortSignal) => Promise<Session | null>,
): Client {
  // Looked up at each call, so that it may be replaced or instrumented later.
  const send = options.fetch ?? ((request: Request) => globalThis.fetch(request))
  const api = createFetchClient<paths>({ baseUrl: options.baseUrl, fetch: send })
  api.use({
    async onRequest({ request, schemaPath }) {
      if (request.headers.has('Authorization') || !takesToken(options.baseUrl, request, schemaPath)) return
      const token = (await session(request.signal))?.accessToken
      if (token !== undefined) request.headers.set('Authorization', `Bearer ${token}`)
    },
    onResponse({ request, response }) {
      // RFC 6750 section 3.1: the token is bad, and would be the next time.
      const isRefused = response.headers.get('WWW-Authenticate')?.includes('error="invalid_token"')
      const token = request.headers.get('Authorization')?.slice('Bearer '.length)
      if (isRefused && token !== undefined) sessions.refuse(token)
    },
  })

  return {
    api,
    async register(registration, { signal } = {}) {
      const { logouts } = sessions
      const init = { body: registration, parseAs: 'text', ...(signal && { signal }) } as const
      const result = await call('RegisterUser', api.POST(registerPath, init), registeredUserOf)
      if (!result.ok) return result
      const { token, ...user } = result.data
      sessions.begin(token, logouts)
      return { ok: true, data: user }
    },
    async login({ email, password }, { signal } = {}) {
      const { logouts } = sessions
      const body = { grant_type: 'password', username: email, password }
      const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
      const init = { body, headers, parseAs: 'text', ...(signal && { signal }) } as const
      const result = await call('Login', api.POST(loginPath, init), tokenOf)
      if (!result.ok) return result
      return { ok: true, data: { expiresAt: new Date(sessions.begin(result.data, logouts).expiresAt) } }
    },
    me: ({ signal } = {}) =>
      call('GetCurrentUser', api.GET('/api/users/me/', { parseAs: 'text', ...(signal && { signal }) }), userOf),
    logout: () => {
      sessions.logout()
      return Promise.resolve()
    },
    isAuthenticated: () => sessions.current() !== null,
    onAuthChange: (listener) => sessions.listen(listener),
  }
}
