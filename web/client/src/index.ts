import { codeRequestedOf, objectOf, registeredUserOf, tokenOf, userOf } from './answers.ts'
import type { components } from './api.ts'
import { takesToken } from './bearer.ts'
import { call, RefreshFailed } from './call.ts'
import { codes, type LoginError, type MeError, type RefreshError, type RegisterError, type Result } from './errors.ts'
import { createApi, type Api } from './fetch.ts'
import { internals } from './internals.ts'
import { patiently, refresher } from './refresh.ts'
import { endOf, openSessions, type AuthChange, type Session } from './session.ts'
import { memoryStorage, type TokenStorage } from './storage.ts'
import { until } from './wait.ts'

export type { components, operations, paths } from './api.ts'
export type { Api, ApiOptions } from './fetch.ts'
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
export { cookieStorage } from './cookie.ts'
export { joinTabs } from './tabs.ts'
export { asyncStorage, memoryStorage, webStorage, type AsyncStore, type TokenStorage } from './storage.ts'

/** A user, as the contract has it. Times are RFC 3339 in UTC. */
export type User = components['schemas']['User']

type Token = components['schemas']['Token']

type RegisteredUser = components['schemas']['RegisteredUser']

/** What a mailed code counts with. Keep it where the code will be entered. */
export type CodeRequested = components['schemas']['CodeRequested']

/** What a new user chooses. */
export type Registration = components['schemas']['Registration']

/** Who logs in. Neither is trimmed nor changed in any way. */
export interface Credentials {
  email: string
  password: string
}

/** A session that has begun. */
export interface Begun {
  /** When it ends unless it is used before; null where a cookie keeps it, since then only the server knows. */
  expiresAt: Date | null
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
  /**
   * Creates an account and logs it in. Where the server demands a proof of the email first, nobody is logged in, and what it returns has
   * the `request` that `completeRegistration` of the account takes with the mailed code.
   */
  register(registration: Registration, options?: CallOptions): Promise<Result<User | CodeRequested, RegisterError>>
  /** Logs in; the next calls are this user's, and a session from before is ended. This one ends at `expiresAt` unless it is used before. */
  login(credentials: Credentials, options?: CallOptions): Promise<Result<Begun, LoginError>>
  /**
   * Takes up the session after a reload, and reports whether there is one. A page with `cookieStorage` or `asyncStorage` begins with it.
   * With another storage it returns at once.
   */
  resume(): Promise<boolean>
  /** Asks who is logged in. */
  me(options?: CallOptions): Promise<Result<User, MeError>>
  /**
   * Ends the session, here at once and at the server as soon as it is told; what it answers is not looked at, as nobody is logged in
   * here any more. A `login` or `register` that is under way then answers as ever, but logs nobody in: its session is ended, too.
   */
  logout(): Promise<void>
  /**
   * The user of the session as the client knows it: from `register`, `me`, or `read` and `update` of the account, here or in another
   * tab or client that shares the storage. Null if there is no session, or no such answer yet. Reading it calls no listener and changes
   * nothing. It is the same object until the user has changed.
   */
  readonly user: User | null
  /** Reports whether there is a session that has not ended. It calls no listener and changes nothing. The server may refuse the session. */
  isAuthenticated(): boolean
  /**
   * Calls the listener whenever the session changes, also by the clock, in another tab, or in another client of the storage. Returns
   * what ends that. What a listener throws becomes an uncaught error, and changes nothing else.
   */
  onAuthChange(listener: (change: AuthChange) => void): () => void
  /** Every operation of the contract, typed; those that ask for a token get the session's. Unlike the rest, it throws. */
  api: Api
  /** Lets go of the clock and of the other tabs: no listener is called any more. The session stays, in its storage and at the server. */
  close(): void
}

/** What a challenge has where the token is refused (RFC 6750 section 3.1). */
const refused = 'invalid_token'

const form = { headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, parseAs: 'text' } as const

/** Makes a client. Nothing is sent until one of its methods is called. */
export function createClient({ baseUrl, storage = memoryStorage(), fetch }: ClientOptions): Client {
  const sessions = openSessions(storage, baseUrl)
  const delivery = storage.isInCookie ? ({ token_delivery: 'cookie' } as const) : {}
  // Looked up at each call, so that it may be replaced or instrumented later.
  const send = fetch ?? ((request: Request) => globalThis.fetch(request))
  /** The session that an answer is for. */
  const answered = new WeakMap<Response, Session>()
  const sendAs = async (session: Session, request: Request) => {
    request.headers.set('Authorization', `Bearer ${session.access_token}`)
    const response = await send(request)
    answered.set(response, session)
    return response
  }
  const api = createApi(
    baseUrl,
    async (request) => {
      if (request.headers.has('Authorization') || !takesToken(baseUrl, request)) return send(request)
      const used = await current(request.signal)
      if (!used) return send(request)
      // A copy, so that what is refused can be sent again.
      const response = await sendAs(used, request.clone())
      // Where the token isn't what is refused, such as for a wrong code, the challenge doesn't name it.
      const challenge = response.headers.get('WWW-Authenticate') ?? refused
      if (response.status !== 401 || !challenge.includes(refused)) return response
      // The token would be refused the next time too. Whether the session has ended, a refresh tells.
      sessions.refuse(used)
      const next = await current(request.signal).catch(() => used)
      // What was refused was not done.
      return next && next.access_token !== used.access_token ? sendAs(next, request) : response
    },
    storage.isInCookie ? 'include' : undefined,
  )
  const ask = (body: object, signal: AbortSignal | null) =>
    api.POST('/api/users/login/token/', { body: { ...body, ...delivery }, ...form, signal })
  /** Exchanges a refresh token, or without one the cookie. */
  const exchange = (refresh_token: string | undefined) => {
    const body = { grant_type: 'refresh_token', ...(refresh_token !== undefined && { refresh_token }) }
    return patiently((signal) => call<Token, RefreshError>(codes.Refresh, until(signal, ask(body, signal)), tokenOf))
  }

  const current = refresher(sessions, async ({ refresh_token }) => {
    const result = await exchange(refresh_token)
    if (result.ok) return result.data
    const { error } = result
    // The token can't be exchanged, or was before: the session has ended. Contract 0.5 has 401 for it, later ones 400.
    if ('detail' in error && error.status <= 401) return null
    throw new RefreshFailed(error)
  })

  /**
   * By the refresh token, as the access token may have expired. The page may be left before the answer, which says nothing anyway.
   * A session in a cookie is revoked by its access token, and the answer removes the cookie: unless it is that of another session by now.
   */
  const revoke = async (session: Session, ownsCookie = true) => {
    let token = session.refresh_token ?? session.access_token
    if (session.refresh_token === undefined && ownsCookie && !sessions.isFresh(session, 0)) {
      const renewed = await exchange(undefined)
      if (renewed.ok) token = renewed.data.access_token
    }
    const cookies = ownsCookie ? {} : ({ credentials: 'omit' } as const)
    await api
      .POST('/api/oauth/revoke/', { body: { token }, ...form, keepalive: true, ...cookies })
      .catch(() => undefined)
  }
  /** What removes the cookie that a later login sets. */
  let leaving = Promise.resolve()
  /** Answers what begins a session. Who is waiting for it doesn't wait until the server has ended what it leaves behind. */
  const opening = async () => {
    const open = sessions.opening()
    await sessions.load()
    if (storage.isInCookie) await leaving
    return (token: Token, user?: User) => {
      const { session, left } = open(token, user)
      if (left) void revoke(left, left === session)
      return session
    }
  }
  /** Begins a session with the tokens that a call is answered. */
  const logIn = async <E>(ask: () => Promise<Result<Token, E>>): Promise<Result<Begun, E>> => {
    const begin = await opening()
    const result = await ask()
    if (!result.ok) return result
    const end = endOf(begin(result.data))
    return { ok: true, data: { expiresAt: end < Infinity ? new Date(end) : null } }
  }

  const enroll = async <T extends RegisteredUser | CodeRequested, E>(ask: () => Promise<Result<T, E>>) => {
    type Enrolled = T extends RegisteredUser ? User : T
    const begin = await opening()
    const result = await ask()
    if (!result.ok) return result
    if (!('token' in result.data)) return { ok: true as const, data: result.data as Enrolled }
    const { token, ...data } = result.data
    begin(token, data as unknown as User)
    return { ok: true as const, data: data as Enrolled }
  }

  const learnUser = (body: unknown, response: Response) => {
    const user = userOf(body)
    sessions.learn(answered.get(response), user)
    return user
  }

  const client: Client = {
    api,
    register: (body, { signal = null } = {}) =>
      enroll(() =>
        call<RegisteredUser | CodeRequested, RegisterError>(
          codes.RegisterUser,
          api.POST('/api/users/', { body: { ...body, ...delivery }, parseAs: 'text', signal }),
          (body) => ('request' in objectOf(body) ? codeRequestedOf(body) : registeredUserOf(body)),
        ),
      ),
    login: ({ email, password }, { signal = null } = {}) =>
      logIn(() =>
        call<Token, LoginError>(
          codes.Login,
          ask({ grant_type: 'password', username: email, password }, signal),
          tokenOf,
        ),
      ),
    me: ({ signal = null } = {}) =>
      call<User, MeError>(codes.GetCurrentUser, api.GET('/api/users/me/', { parseAs: 'text', signal }), learnUser),
    async resume() {
      if (!sessions.current()) await sessions.load(true)
      if (storage.isInCookie && !sessions.current()) {
        const begin = await opening()
        const result = await exchange(undefined)
        // Another tab may have been first, with the same session.
        if (result.ok && !sessions.current()) begin(result.data)
      }
      return sessions.current() !== null
    },
    async logout() {
      const loading = sessions.load()
      if (loading) await loading
      const ended = sessions.logout()
      if (ended) await (leaving = revoke(ended))
    },
    get user() {
      return sessions.peek()?.user ?? null
    },
    isAuthenticated: () => sessions.peek() !== null,
    onAuthChange: (listener) => sessions.listen(listener),
    close: () => {
      sessions.close()
    },
  }
  internals.set(client, { sessions, delivery, current, learnUser, enroll, logIn })
  return client
}
