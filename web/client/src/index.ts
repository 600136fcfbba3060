import { codeRequestedOf, objectOf, registeredUserOf, tokenOf, userOf } from './answers.ts'
import type { components, paths } from './api.ts'
import { atOrigins, belowPage, takesToken } from './bearer.ts'
import { call, errorOf, failed } from './call.ts'
import {
  AuthError,
  codes,
  type AccessTokenError,
  type LoginError,
  type MeError,
  type RefreshError,
  type RegisterError,
  type Result,
} from './errors.ts'
import { internals, type Ask, type AskOptions } from './internals.ts'
import { patiently, refresher } from './refresh.ts'
import { answered, bearerSender } from './send.ts'
import { endOf, openSessions, type AuthChange, type Session } from './session.ts'
import { memoryStorage, type TokenStorage } from './storage.ts'
import { bounded } from './wait.ts'

export type { components, operations, paths } from './api.ts'
export type {
  Aborted,
  AccessTokenError,
  FieldError,
  LoginError,
  MeError,
  NetworkError,
  Offline,
  RegisterError,
  Result,
  ServerError,
  SessionStale,
  SignedOut,
  TimedOut,
  UnexpectedAnswer,
  WrongOrigin,
} from './errors.ts'
export { AuthError } from './errors.ts'
export type { AuthChange, SignedOutReason } from './session.ts'
export { cookieStorage } from './cookie.ts'
export { joinTabs } from './tabs.ts'
export { asyncStorage, memoryStorage, webStorage, type AsyncStore, type TokenStorage } from './storage.ts'

/** A user, as the contract has it. Times are RFC 3339 in UTC. */
export type User = components['schemas']['User']

type Token = components['schemas']['Token']
type LoginForm = components['schemas']['LoginForm']
type RevocationForm = components['schemas']['RevocationForm']

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
  /**
   * The origins of one's own APIs, such as `https://api.example.com`, each as `location.origin` has it. `fetch` of the client sends the
   * token to them. One of `http:` gets it in clear text. What isn't an origin throws a `TypeError`.
   */
  apiOrigins?: readonly string[]
  /**
   * `auto` unless said. With `never`, no call refreshes the session, as in a Server Component, which can't keep the new tokens: where the
   * access token has expired, a call fails with `session_stale`, and one whose token is refused is not sent again.
   */
  refresh?: 'auto' | 'never'
  /**
   * How long a call takes at most, in milliseconds: with the refresh and the wait for other tabs that come first, and with reading
   * the answer. 15,000 unless said. Then it fails with `timeout`.
   */
  timeout?: number
}

export interface CallOptions {
  /** Ends the call early, with `aborted`. */
  signal?: AbortSignal
}

/** What `fetch` takes, and the end of the call in milliseconds, instead of the client's: `Infinity` for a long upload. */
export interface FetchOptions extends RequestInit {
  timeout?: number
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
  /**
   * Calls one's own API as `fetch` does, with the session's access token. It is refreshed before if need be. Where the API refuses it, it
   * is refreshed too, and the request sent once more.
   *
   * The token goes to the origins of `apiOrigins` and that of `baseUrl`. A request to another one is not sent, and rejects with
   * `wrong_origin`. An `Authorization` header of the caller's is replaced. The caller's `signal` also ends reading the answer, and the
   * timeout only the wait for its head.
   *
   * @throws {@link AuthError} where there is no answer, with its `code`; and a `TypeError`, as `fetch`, for what no request can be made of.
   */
  fetch(input: string | URL | Request, init?: FetchOptions): Promise<Response>
  /** Returns the session's access token, refreshed before if need be, for what `fetch` can't send, such as the first message of a WebSocket. */
  getAccessToken(options?: CallOptions): Promise<Result<string, AccessTokenError>>
  /** Lets go of the clock and of the other tabs: no listener is called any more. The session stays, in its storage and at the server. */
  close(): void
}

/**
 * Makes a client. Nothing is sent until one of its methods is called.
 *
 * @throws TypeError if an entry of `apiOrigins` is not an origin.
 */
export function createClient({
  baseUrl: given,
  storage = memoryStorage(),
  fetch,
  apiOrigins = [],
  refresh,
  timeout = 15_000,
}: ClientOptions): Client {
  const baseUrl = belowPage(given)
  const isOwn = atOrigins(apiOrigins, baseUrl)
  const sessions = openSessions(storage, baseUrl)
  const delivery = storage.isInCookie ? ({ token_delivery: 'cookie' } as const) : {}
  const send = async (request: Request) => {
    try {
      // Looked up at each call, so that it may be replaced or instrumented later.
      return await (fetch ?? globalThis.fetch)(request)
    } catch (cause) {
      const { onLine } = (globalThis as { navigator?: { onLine?: boolean } }).navigator ?? {}
      throw new AuthError({ code: onLine === false ? 'offline' : 'network_error', cause })
    }
  }
  const credentials = storage.isInCookie ? 'include' : 'same-origin'
  const ask: Ask = (url, { timeout: longest = timeout, signal, ...init }, read, isLeft) =>
    bounded(
      longest,
      signal,
      async (signal) => {
        const request = new Request(url, { ...init, signal })
        const takes = takesToken(baseUrl, request) && !request.headers.has('Authorization')
        const used = takes ? await current() : null
        return read(await (used ? sendAs(request, used) : send(request)))
      },
      isLeft,
    )
  /** Calls an operation of the server. What is answered is a text. */
  const tell = (path: keyof paths, options: AskOptions) =>
    ask(baseUrl.replace(/\/$/, '') + path, { credentials, ...options }, async (response) => ({
      data: await response.text(),
      response,
    }))
  const tellForm = (path: keyof paths, form: LoginForm | RevocationForm, options: AskOptions) =>
    tell(path, { method: 'POST', body: new URLSearchParams(form), ...options })
  const askToken = (form: LoginForm, options: AskOptions) =>
    tellForm('/api/users/login/token/', { ...form, ...delivery }, options)
  /** Exchanges a refresh token, or without one the cookie. */
  const exchange = async (refresh_token: string | undefined, since?: number) => {
    if (refresh === 'never') return failed({ code: 'session_stale' })
    const form = { grant_type: 'refresh_token', ...(refresh_token !== undefined && { refresh_token }) } as const
    return patiently((timeout) => call<Token, RefreshError>(codes.Refresh, askToken(form, { timeout }), tokenOf), since)
  }

  const current = refresher(sessions, async ({ refresh_token }, since) => {
    const result = await exchange(refresh_token, since)
    if (result.ok) return result.data
    const { error } = result
    // The token can't be exchanged, or was before: the session has ended. Contract 0.5 has 401 for it, later ones 400.
    if ('detail' in error && error.status <= 401) return null
    throw new AuthError(error as AccessTokenError)
  })
  const needed = async () => {
    const session = await current()
    if (!session) throw new AuthError({ code: 'signed_out' })
    return session
  }
  const sendAs = bearerSender(sessions, current, send, refresh !== 'never')
  /** Gives a call an end that has more to wait for than one request. */
  const within = <T, E>(
    { signal }: CallOptions,
    work: (signal: AbortSignal) => Promise<Result<T, E>>,
  ): Promise<Result<T, E>> => bounded(timeout, signal, work).catch((cause: unknown) => failed(errorOf(cause)))

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
    await tellForm('/api/oauth/revoke/', { token }, { keepalive: true, ...cookies }).catch(() => undefined)
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
    register: (body, options = {}) =>
      within(options, (signal) =>
        enroll(() =>
          call<RegisteredUser | CodeRequested, RegisterError>(
            codes.RegisterUser,
            tell('/api/users/', {
              method: 'POST',
              headers: { 'Content-Type': 'application/json' },
              body: JSON.stringify({ ...body, ...delivery }),
              signal,
            }),
            (body) => ('request' in objectOf(body) ? codeRequestedOf(body) : registeredUserOf(body)),
          ),
        ),
      ),
    login: ({ email, password }, options = {}) =>
      within(options, (signal) =>
        logIn(() =>
          call<Token, LoginError>(
            codes.Login,
            askToken({ grant_type: 'password', username: email, password }, { signal }),
            tokenOf,
          ),
        ),
      ),
    me: ({ signal = null } = {}) =>
      call<User, MeError>(codes.GetCurrentUser, tell('/api/users/me/', { signal }), learnUser),
    async resume() {
      const taken = async () => {
        if (!sessions.current()) await sessions.load(true)
        if (storage.isInCookie && !sessions.current()) {
          const begin = await opening()
          const result = await exchange(undefined)
          // Another tab may have been first, with the same session.
          if (result.ok && !sessions.current()) begin(result.data)
        }
        return sessions.current() !== null
      }
      return bounded(timeout, null, taken).catch(() => false)
    },
    async logout() {
      const loading = sessions.load()
      if (loading) await bounded(timeout, null, () => loading).catch(() => undefined)
      const ended = sessions.logout()
      if (ended) await bounded(timeout, null, () => (leaving = revoke(ended))).catch(() => undefined)
    },
    fetch: (input, { timeout: longest = timeout, ...init } = {}) =>
      bounded(
        longest,
        init.signal === undefined ? (input as Partial<Request>).signal : init.signal,
        async (signal) => {
          const request = new Request(input, { ...init, signal })
          const { url } = request
          if (!isOwn(url)) throw new AuthError({ code: 'wrong_origin', url })
          if (request.mode === 'no-cors') throw new TypeError('no-cors')
          return sendAs(request, await needed(), !!(init.body as Partial<ReadableStream> | null | undefined)?.getReader)
        },
        true,
      ),
    getAccessToken: (options = {}) => within(options, async () => ({ ok: true, data: (await needed()).access_token })),
    get user() {
      return sessions.peek()?.user ?? null
    },
    isAuthenticated: () => sessions.peek() !== null,
    onAuthChange: (listener) => sessions.listen(listener),
    close: () => {
      sessions.close()
    },
  }
  internals.set(client, { baseUrl, credentials, ask, sessions, delivery, current, within, learnUser, enroll, logIn })
  return client
}
