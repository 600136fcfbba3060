import { codeRequestedOf, fieldErrorsOf, textsOf } from './answers.ts'
import type { components, operations } from './api.ts'

type Responses<Op extends keyof operations> = operations[Op]['responses']

/** The body of an answer, in the operation's media type. */
type BodyOf<R> = R extends { content: infer Content } ? Content[keyof Content] : never

/** The bodies of all answers of an operation; only those of its failures have a `code`. */
type Bodies<Op extends keyof operations> = {
  [Status in keyof Responses<Op>]: BodyOf<Responses<Op>[Status]>
}[keyof Responses<Op>]

/** What stands beside some codes, by the names that the contract has for it. */
type Beside<P, Code> = Code extends 'invalid_request'
  ? P extends { errors: infer Errors }
    ? { errors: Errors }
    : unknown
  : Code extends 'reauthentication_required'
    ? Required<Pick<P, keyof P & ('max_age' | 'factors')>>
    : Code extends 'email_unverified'
      ? Required<Pick<P, keyof P & ('request' | 'expires_in' | 'factors')>>
      : Code extends 'insufficient_scope'
        ? Required<Pick<P, keyof P & 'scopes'>>
        : unknown

/** One member for each code, so that a `switch` over `code` narrows to it. */
type EachCode<P> = P extends { code: infer Code; status: infer Status; detail: string }
  ? Code extends string
    ? { code: Code; status: Status; detail: string; requestId?: string; retryAfter?: number } & Beside<P, Code>
    : never
  : never

/** The errors that the server can return for an operation. `code` is that of the contract. */
export type ServerError<Op extends keyof operations> = EachCode<Bodies<Op>>

/** The error of one field of a request. */
export type FieldError = components['schemas']['FieldError']

/**
 * Nothing has answered: the server can't be reached, or the browser has refused the request because
 * the server doesn't let the page's origin in.
 */
export interface NetworkError {
  code: 'network_error'
  cause: unknown
}

/** Nothing has answered, and the browser reports that it has no network (`navigator.onLine`). */
export interface Offline {
  code: 'offline'
  cause: unknown
}

/** The call has taken longer than the client's `timeout`. The server may have carried it out all the same. */
export interface TimedOut {
  code: 'timeout'
}

/**
 * The `signal` of the call has ended it. The server may have carried it out all the same. `cause`
 * is the signal's reason.
 */
export interface Aborted {
  code: 'aborted'
  cause: unknown
}

/** Something has answered that isn't in this client's contract: a proxy, or a server of another release. */
export interface UnexpectedAnswer {
  code: 'unexpected_answer'
  status: number
  requestId?: string
  cause?: unknown
}

/** The errors that any call can have beside those of the server. */
export type ClientError = NetworkError | Offline | TimedOut | Aborted | UnexpectedAnswer

/** The access token has expired, and this client never refreshes (`refresh: 'never'`). The session continues. */
export interface SessionStale {
  code: 'session_stale'
}

/** There is no session. */
export interface SignedOut {
  code: 'signed_out'
}

/**
 * The request goes to an origin that is neither among the client's `apiOrigins` nor that of its
 * `baseUrl`. Nothing was sent.
 */
export interface WrongOrigin {
  code: 'wrong_origin'
  /** The URL that was asked for, resolved against the page's. */
  url: string
}

/** The codes that only a refresh has: the session has ended. */
type RefreshCode = 'invalid_refresh_token' | 'refresh_token_reused'

/**
 * Why a call that needs an access token was not sent, while the session continues. The errors of a
 * refresh that only a faulty client causes are left out.
 */
export type Postponed =
  | SessionStale
  | Extract<
      ServerError<'Login'>,
      {
        code:
          | 'internal_error'
          | 'starting'
          | 'unavailable'
          | 'overloaded'
          | 'rate_limited'
          | 'request_timeout'
          | 'cross_origin'
          | 'origin_not_allowed'
      }
    >

/** What a refresh fails with. */
export type RefreshError = Postponed | Extract<ServerError<'Login'>, { code: RefreshCode }> | ClientError

export type RegisterError = ServerError<'RegisterUser'> | ClientError
export type LoginError = Exclude<ServerError<'Login'>, { code: RefreshCode }> | ClientError
/** Also the errors of a refresh before the call. */
export type MeError = ServerError<'GetCurrentUser'> | Postponed | ClientError

/** Why there is no access token. */
export type AccessTokenError = SignedOut | Postponed | ClientError

/** The error that `auth.fetch` rejects with, and an operation of `contract` if nothing has answered. */
export class AuthError extends Error {
  override readonly name = 'AuthError'

  /** `error` has what belongs to each code. A `cause`, where it has one, is also the error's own. */
  constructor(readonly error: WrongOrigin | AccessTokenError) {
    super(error.code, error as ErrorOptions)
  }

  get code(): (WrongOrigin | AccessTokenError)['code'] {
    return this.error.code
  }
}

/** The result of a call. Nothing is thrown: look at `ok`, then at `data` or at `error.code`. */
export type Result<T, E> = { ok: true; data: T } | { ok: false; error: E }

/**
 * The codes that a call itself can fail with. A code whose error has further members has a function
 * that returns them from the body. It throws if the body isn't what the contract says.
 */
export type Codes<E extends { code: string }> = {
  readonly [Code in Exclude<E['code'], (ClientError | SessionStale)['code']>]: Check<Extract<E, { code: Code }>>
}

type Check<E> =
  Exclude<keyof E, 'code' | 'status' | 'detail' | 'requestId' | 'retryAfter'> extends never
    ? true
    : (body: Record<string, unknown>) => Omit<E, 'code' | 'status' | 'detail' | 'requestId' | 'retryAfter'>

/** The errors of every operation, of those with a body, and of those that also hash a password. */
export const common = { internal_error: true, starting: true, unavailable: true } as const
const sent = { ...common, rate_limited: true, request_timeout: true, cross_origin: true } as const
const giving = { ...sent, overloaded: true } as const
/** The errors of a body that comes from the caller. */
export const wrong = {
  invalid_request: ({ errors }: Record<string, unknown>) => ({ errors: fieldErrorsOf(errors) }),
  body_too_large: true,
  unsupported_media_type: true,
} as const
export const asking = { ...sent, ...wrong } as const
export const hashing = { ...giving, ...wrong } as const

/** The errors of an operation that needs a token. */
export const bearing = {
  ambiguous_credentials: true,
  not_authenticated: true,
  invalid_token: true,
  user_not_found: true,
  user_inactive: true,
} as const

/** The members of `email_unverified`, which `continueLogin` takes. */
function heldOf(problem: Record<string, unknown>) {
  return { ...codeRequestedOf(problem), factors: textsOf(problem.factors) as 'email_code'[] }
}

/**
 * The codes of each call. The compiler compares them with the contract, and those of a refresh with
 * the type above.
 */
export const codes = {
  RegisterUser: {
    ...hashing,
    email_taken: true,
    username_taken: true,
    registration_closed: true,
  } satisfies Codes<RegisterError>,
  Login: {
    ...hashing,
    invalid_credentials: true,
    unsupported_grant_type: true,
    invalid_scope: true,
    origin_not_allowed: true,
    email_unverified: heldOf,
  } satisfies Codes<LoginError>,
  Refresh: {
    ...giving,
    invalid_refresh_token: true,
    refresh_token_reused: true,
    origin_not_allowed: true,
  } satisfies Codes<RefreshError>,
  GetCurrentUser: { ...common, ...bearing } satisfies Codes<ServerError<'GetCurrentUser'>>,
} as const
