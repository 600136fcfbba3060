import type { components, operations } from './api.ts'

type Responses<Op extends keyof operations> = operations[Op]['responses']

/** The body of an answer, in whatever media type the operation has for it. */
type BodyOf<R> = R extends { content: infer Content } ? Content[keyof Content] : never

/** The bodies of all answers of an operation; only those of its failures have a `code`. */
type Bodies<Op extends keyof operations> = {
  [Status in keyof Responses<Op>]: BodyOf<Responses<Op>[Status]>
}[keyof Responses<Op>]

/** One member for each code, so that a `switch` over `code` narrows to it. */
type EachCode<P> = P extends { code: infer Code; status: infer Status; detail: string }
  ? Code extends string
    ? { code: Code; status: Status; detail: string; requestId?: string; retryAfter?: number } & (P extends {
        errors: infer Errors
      }
        ? { errors: Errors }
        : unknown)
    : never
  : never

/** What the server can answer to an operation when it fails, with the contract's `code` to tell the cases apart. */
export type ServerError<Op extends keyof operations> = EachCode<Bodies<Op>>

/** What is wrong with one field of a request. */
export type FieldError = components['schemas']['FieldError']

/** Nothing has answered: the server is out of reach, the browser has refused the request, or it was aborted. */
export interface NetworkError {
  code: 'network_error'
  cause: unknown
}

/** Something has answered that isn't in this client's contract: a proxy, or a server of another release. */
export interface UnexpectedAnswer {
  code: 'unexpected_answer'
  status: number
  requestId?: string
  cause?: unknown
}

type ClientError = NetworkError | UnexpectedAnswer

/** What only a refresh can be answered, at the endpoint of a login: the session has ended. */
type RefreshCode = 'invalid_refresh_token' | 'refresh_token_reused'

/** What a refresh can be answered while the session goes on. What is left out are a client's mistakes, which this one doesn't make. */
type Postponed = Extract<
  ServerError<'Login'>,
  {
    code:
      'internal_error' | 'starting' | 'unavailable' | 'overloaded' | 'rate_limited' | 'request_timeout' | 'cross_origin'
  }
>

/** What a refresh fails with. */
export type RefreshError = Postponed | Extract<ServerError<'Login'>, { code: RefreshCode }> | ClientError

export type RegisterError = ServerError<'RegisterUser'> | ClientError
export type LoginError = Exclude<ServerError<'Login'>, { code: RefreshCode }> | ClientError
/** Also what the session's refresh was answered, where that had to be first. */
export type MeError = ServerError<'GetCurrentUser'> | Postponed | ClientError

/** What each call fails with. */
export interface Errors {
  RegisterUser: RegisterError
  Login: LoginError
  Refresh: RefreshError
  GetCurrentUser: MeError
}

/** What a call comes to. Nothing is thrown: look at `ok`, then at `data` or at `error.code`. */
export type Result<T, E> = { ok: true; data: T } | { ok: false; error: E }

type Codes<E extends { code: string }> = Record<Exclude<E['code'], ClientError['code']>, true>

/** What every operation can answer, those that give tokens, and of these those whose body this client doesn't make up by itself. */
const common = { internal_error: true, starting: true, unavailable: true } as const
const giving = { ...common, overloaded: true, rate_limited: true, request_timeout: true, cross_origin: true } as const
const asking = { ...giving, invalid_request: true, body_too_large: true, unsupported_media_type: true } as const

/**
 * The codes that each call is answered by itself. The compiler holds them to be those of the contract, no more and no fewer;
 * of a refresh, those named above.
 */
export const codes = {
  RegisterUser: {
    ...asking,
    email_taken: true,
    username_taken: true,
    registration_closed: true,
  } satisfies Codes<RegisterError>,
  Login: {
    ...asking,
    invalid_credentials: true,
    unsupported_grant_type: true,
    email_unverified: true,
  } satisfies Codes<LoginError>,
  Refresh: { ...giving, invalid_refresh_token: true, refresh_token_reused: true } satisfies Codes<RefreshError>,
  GetCurrentUser: {
    ...common,
    ambiguous_credentials: true,
    not_authenticated: true,
    invalid_token: true,
    user_not_found: true,
    user_inactive: true,
  } satisfies Codes<ServerError<'GetCurrentUser'>>,
} as const
