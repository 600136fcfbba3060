import createFetchClient, { type Client as FetchClient } from 'openapi-fetch'

import { registeredUserOf, tokenOf, userOf } from './answers.ts'
import type { components, paths } from './api.ts'
import { takesToken } from './bearer.ts'
import { call } from './call.ts'
import type { LoginError, MeError, RegisterError, Result } from './errors.ts'
import { patiently, refresher } from './refresh.ts'
import { endOf, openSessions, type AuthChange, type Session } from './session.ts'
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
  /** Logs in; the next calls are this user's. The session ends at `expiresAt` unless it is used before. */
  login(credentials: Credentials, options?: CallOptions): Promise<Result<{ expiresAt: Date }, LoginError>>
  /** Asks who is logged in. */
  me(options?: CallOptions): Promise<Result<User, MeError>>
  /**
   * Ends the session, here at once and at the server as soon as it is told; what it answers is not looked at, as nobody is logged in
   * here any more. A `login` or `register` that is under way then answers as ever, but logs nobody in.
   */
  logout(): Promise<void>
  /** Whether there is a session that has not ended. Only the server knows if it is still accepted: ask `me`. */
  isAuthenticated(): boolean
  /**
   * Calls the listener whenever a session begins or ends, also by the clock or in another tab. Answers what ends that. What
   * a listener throws is told as an error that nobody has caught, and changes nothing else.
   */
  onAuthChange(listener: (change: AuthChange) => void): () => void
  /** Every operation of the contract, typed; those that ask for a token get the session's. Unlike the rest, it throws. */
  api: FetchClient<paths>
}

const form = { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } }

/** Makes a client. Nothing is sent until one of its methods is called. */
export function createClient(options: ClientOptions): Client {
  const sessions = openSessions(options.storage ?? memoryStorage())
  // Looked up at each call, so that it may be replaced or instrumented later.
  const send = options.fetch ?? ((request: Request) => globalThis.fetch(request))
  const api = createFetchClient<paths>({ baseUrl: options.baseUrl, fetch: send })
  const ask = (body: object, signal: AbortSignal | null) =>
    call('Login', api.POST('/api/users/login/token/', { body, ...form, parseAs: 'text', signal }), tokenOf)
  const session = refresher(sessions, async ({ refresh_token }, signal) => {
    const grant = { grant_type: 'refresh_token', refresh_token }
    const result = await patiently(() => ask(grant, signal))
    if (result.ok) return result.data
    const { error } = result
    // It can't be exchanged, or was before: the session has ended.
    if ('detail' in error && error.status === 401) return null
    throw new Error(error.code, { cause: error })
  })
  const sent = new WeakMap<Request, Session>()
  const authorize = (request: Request, current: Session) => {
    sent.set(request, current)
    request.headers.set('Authorization', `Bearer ${current.access_token}`)
  }
  api.use({
    async onRequest({ request, schemaPath }) {
      if (request.headers.has('Authorization') || !takesToken(options.baseUrl, request, schemaPath)) return
      const current = await session(request.signal)
      if (current) authorize(request, current)
    },
    async onResponse({ request, response }) {
      const used = sent.get(request)
      if (response.status !== 401 || !used) return
      // The token would be refused the next time too. Whether the session has ended, a refresh tells.
      sessions.renew(used, { ...used, expires_in: 1 })
      const next = await session(request.signal).catch(() => used)
      // What was refused was not done. A body that was sent can't be sent again.
      if (!next || next.access_token === used.access_token || request.body) return
      authorize(request, next)
      return send(request)
    },
  })

  return {
    api,
    async register(body, { signal = null } = {}) {
      const begin = sessions.opening()
      const result = await call(
        'RegisterUser',
        api.POST('/api/users/', { body, parseAs: 'text', signal }),
        registeredUserOf,
      )
      if (!result.ok) return result
      const { token, ...data } = result.data
      begin(token)
      return { ok: true, data }
    },
    async login({ email, password }, { signal = null } = {}) {
      const begin = sessions.opening()
      const result = await ask({ grant_type: 'password', username: email, password }, signal)
      if (!result.ok) return result as { ok: false; error: LoginError }
      return { ok: true, data: { expiresAt: new Date(endOf(begin(result.data))) } }
    },
    me: ({ signal = null } = {}) =>
      call('GetCurrentUser', api.GET('/api/users/me/', { parseAs: 'text', signal }), userOf),
    async logout() {
      const ended = sessions.logout()
      // By the refresh token, as the access token may have expired. The page may be left before the answer.
      if (!ended) return
      const body = { token: ended.refresh_token }
      await api.POST('/api/oauth/revoke/', { body, ...form, parseAs: 'text', keepalive: true }).catch(() => undefined)
    },
    isAuthenticated: () => sessions.current() !== null,
    onAuthChange: (listener) => sessions.listen(listener),
  }
}
