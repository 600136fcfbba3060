import type { components, operations } from './api.ts'

type Responses<Op extends keyof operations> = operations[Op]['responses']

type ProblemOf<R> = R extends { content: { 'application/problem+json': infer P } } ? P : never

/** What an operation of the contract answers when it fails, whatever the status. */
type Problems<Op extends keyof operations> = {
  [Status in keyof Responses<Op>]: ProblemOf<Responses<Op>[Status]>
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
export type ServerError<Op extends keyof operations> = EachCode<Problems<Op>>

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

export type RegisterError = ServerError<'RegisterUser'> | ClientError
/** What only a refresh can be answered, at the endpoint of a login. */
type RefreshCode = 'invalid_refresh_token' | 'refresh_token_reused'

export type LoginError = Exclude<ServerError<'Login'>, { code: RefreshCode }> | ClientError
export type MeError = ServerError<'GetCurrentUser'> | ClientError

/** What each call fails with. A login and a refresh are one call. */
export interface Errors {
  RegisterUser: RegisterError
  Login: ServerError<'Login'> | ClientError
  GetCurrentUser: MeError
}

/** What a call comes to. Nothing is thrown: look at `ok`, then at `data` or at `error.code`. */
export type Result<T, E> = { ok: true; data: T } | { ok: false; error: E }

type Codes<E extends { code: string }> = Record<Exclude<E['code'], ClientError['code']>, true>

/** What every operation can answer, and those with a body, which are those that give tokens. */
const common = { internal_error: true, unavailable: true } as const
const withBody = {
  ...common,
  invalid_request: true,
  body_too_large: true,
  request_timeout: true,
  unsupported_media_type: true,
  rate_limited: true,
  overloaded: true,
} as const

/** The codes that this client knows, which the compiler holds to be those of the contract, no more and no fewer. */
export const codes = {
  RegisterUser: { ...withBody, email_taken: true, username_taken: true } satisfies Codes<RegisterError>,
  Login: {
    ...withBody,
    invalid_credentials: true,
    invalid_refresh_token: true,
    refresh_token_reused: true,
    unsupported_grant_type: true,
  } satisfies Codes<Errors['Login']>,
  GetCurrentUser: {
    ...common,
    ambiguous_credentials: true,
    not_authenticated: true,
    invalid_token: true,
    user_not_found: true,
    user_inactive: true,
  } satisfies Codes<MeError>,
} as const
