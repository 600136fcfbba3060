import { codeRequestedOf, objectOf, registeredUserOf, tokenOf, userOf } from './answers.ts'
import type { components, paths } from './api.ts'
import { atOrigins, belowPage } from './bearer.ts'
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

/** The `request` of a mailed code. The code counts only beside it, so keep it where the code will be entered. */
export type CodeRequested = components['schemas']['CodeRequested']

/** What a new user chooses. */
export type Registration = components['schemas']['Registration']

/** The credentials of a login. Neither is trimmed or changed in any way. */
export interface Credentials {
  email: string
  password: string
  /**
   * The scopes that an operator asks for, with a space between two. The session gets those that the
   * roles of the user hold.
   */
  scope?: string
}

/** A session that has begun. */
export interface Begun {
  /** When it ends unless it is used before; null with a cookie, because then only the server knows. */
  expiresAt: Date | null
}

export interface ClientOptions {
  /** The URL of the server, such as `https://auth.example.com`; '' for the page's own origin. */
  baseUrl: string
  /** Where the session is kept; in memory by default. */
  storage?: TokenStorage
  /** Replaces `fetch`. */
  fetch?: typeof globalThis.fetch
  /**
   * The origins of your own APIs, such as `https://api.example.com`, each as `location.origin` has
   * it. `fetch` of the client sends the access token to them. An `http:` origin gets it in clear
   * text. `createClient` throws a `TypeError` for an entry that isn't an origin.
   */
  apiOrigins?: readonly string[]
  /**
   * `auto` by default. With `never` no call refreshes the session, as in a Server Component, which
   * can't keep the new tokens. A call fails with `session_stale` if the access token has expired. A
   * call whose token is refused isn't sent again.
   */
  refresh?: 'auto' | 'never'
  /**
   * How long a call takes at most, in milliseconds; 15,000 by default. The refresh and the wait for
   * other tabs before it count, and so does reading the answer. A call that takes longer fails with
   * `timeout`.
   */
  timeout?: number
}

export interface CallOptions {
  /** Ends the call early, with `aborted`. */
  signal?: AbortSignal
}

/** The options of `fetch`, and a `timeout` in milliseconds that replaces the client's: `Infinity` for a long upload. */
export interface FetchOptions extends RequestInit {
  timeout?: number
}

/**
 * A client of one server, with one session at most. Its functions need no `this`, so they can be
 * passed on as they are.
 */
export interface Client {
  /**
   * Creates an account and logs the user in. If the server demands a proof of the email first, it
   * logs nobody in, and returns the `request` that `completeRegistration` of the account takes with
   * the code.
   */
  register: (registration: Registration, options?: CallOptions) => Promise<Result<User | CodeRequested, RegisterError>>
  /**
   * Logs in, and ends the session before, if there is one. The new session ends at `expiresAt`
   * unless it is used before.
   */
  login: (credentials: Credentials, options?: CallOptions) => Promise<Result<Begun, LoginError>>
  /**
   * Continues the session after a reload, and reports whether there is one. A page with
   * `cookieStorage` or `asyncStorage` calls it first. With another storage it returns at once.
   */
  resume: () => Promise<boolean>
  /** Returns the user of the session, from the server. */
  me: (options?: CallOptions) => Promise<Result<User, MeError>>
  /**
   * Ends the session here at once, and then at the server. The server's answer is ignored. A
   * `login` or `register` that is under way returns as usual, but logs nobody in: its session is
   * ended too.
   */
  logout: () => Promise<void>
  /**
   * The user of the session as the client knows it: from `register`, `me`, or `read` and `update`
   * of the account, here or in another tab or client that shares the storage. Null if there is no
   * session, or no such answer yet. Reading it calls no listener and changes nothing. It is the
   * same object until the user has changed.
   */
  readonly user: User | null
  /**
   * Reports whether there is a session that has not ended. It calls no listener and changes
   * nothing. The server may refuse the session.
   */
  isAuthenticated: () => boolean
  /**
   * Calls the listener whenever the session changes, also by the clock, in another tab, or in
   * another client of the storage. Returns a function that ends this. An error of a listener
   * becomes an uncaught error, and changes nothing else.
   */
  onAuthChange: (listener: (change: AuthChange) => void) => () => void
  /**
   * Calls your own API as `fetch` does, with the session's access token. It refreshes the token
   * first if necessary. If the API refuses the token, it refreshes, and sends the request once
   * more.
   *
   * The token goes to the origins of `apiOrigins` and to that of `baseUrl`. A request to another
   * origin isn't sent, and rejects with `wrong_origin`. An `Authorization` header of the caller is
   * replaced. The caller's `signal` also ends reading the answer. The timeout ends only the wait
   * for its head.
   *
   * @throws {@link AuthError} if there is no answer, with its `code`; and a `TypeError`, as `fetch`
   * does, if it
   *   can't make a request of its arguments.
   */
  fetch: (input: string | URL | Request, init?: FetchOptions) => Promise<Response>
  /**
   * Returns the access token, after a refresh if necessary. It is for what `fetch` can't send, such
   * as a message of a WebSocket.
   */
  getAccessToken: (options?: CallOptions) => Promise<Result<string, AccessTokenError>>
  /**
   * Stops the timer, and leaves the other tabs. No listener is called any more. The session stays,
   * in its storage and at the server.
   */
  close: () => void
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
  const ask: Ask = (url, { timeout: longest = timeout, signal, takes, ...init }, read, isLeft) =>
    bounded(
      longest,
      signal,
      async (signal) => {
        const request = new Request(url, { ...init, signal })
        const used = takes?.(request) && !request.headers.has('Authorization') ? await current() : null
        return read(await (used ? sendAs(request, used) : send(request)))
      },
      isLeft,
    )
  /** Calls an operation of the server. Returns the body as a text. */
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
    // The token can't be exchanged, or was before: the session has ended. Contract 0.5 has 401 for
    // it, later ones 400.
    if ('detail' in error && error.status <= 401) return null
    throw new AuthError(error as AccessTokenError)
  })
  const needed = async () => {
    const session = await current()
    if (!session) throw new AuthError({ code: 'signed_out' })
    return session
  }
  const sendAs = bearerSender(sessions, current, send, refresh !== 'never')
  /** Bounds the time of a call that waits for more than one request. */
  const within = <T, E>(
    { signal }: CallOptions,
    work: (signal: AbortSignal) => Promise<Result<T, E>>,
  ): Promise<Result<T, E>> => bounded(timeout, signal, work).catch((cause: unknown) => failed(errorOf(cause)))

  /**
   * Ends a session at the server, by the refresh token, because the access token may have expired.
   * The page may be left before the answer. A session in a cookie is revoked by its access token.
   * The answer then removes the cookie, unless the cookie belongs to another session by now.
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
  /** The revocation that is under way. Its answer would remove the cookie that a later login sets. */
  let leaving = Promise.resolve()
  /** Returns a function that begins a session. It doesn't wait until the server has ended the session before. */
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
  /** Begins a session with the tokens that a call returns. */
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
    login: ({ email, password, scope }, options = {}) =>
      within(options, (signal) =>
        logIn(() =>
          call<Token, LoginError>(
            codes.Login,
            askToken({ grant_type: 'password', username: email, password, ...(scope && { scope }) }, { signal }),
            tokenOf,
          ),
        ),
      ),
    me: ({ signal = null } = {}) =>
      call<User, MeError>(codes.GetCurrentUser, tell('/api/users/me/', { signal, takes: () => true }), learnUser),
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
