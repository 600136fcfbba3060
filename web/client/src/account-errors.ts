import { refuse, textsOf } from './answers.ts'
import {
  asking,
  bearing,
  common,
  hashing,
  type ClientError,
  type Codes,
  type Postponed,
  type ServerError,
} from './errors.ts'
import type { operations } from './api.ts'

/** The errors of an operation that needs no login. */
type ErrorOf<Op extends keyof operations> = ServerError<Op> | ClientError

/** The errors of an operation that needs a login. They include those of a refresh before it. */
export type OwnErrorOf<Op extends keyof operations> = ServerError<Op> | Postponed | ClientError

export type UpdateError = OwnErrorOf<'UpdateCurrentUser'>
export type ChangePasswordError = OwnErrorOf<'ChangePassword'>
export type DeleteError = OwnErrorOf<'DeleteCurrentUser'>
export type ReauthenticateError = OwnErrorOf<'Reauthenticate'>
export type EventsError = OwnErrorOf<'ListOwnEvents'>
export type SessionsError = OwnErrorOf<'ListSessions'>
export type EndSessionError = OwnErrorOf<'EndSession'>
export type EndAllSessionsError = OwnErrorOf<'EndAllSessions'>
export type RequestEmailVerificationError = OwnErrorOf<'RequestEmailVerification'>
export type ConfirmEmailVerificationError = OwnErrorOf<'ConfirmEmailVerification'>
export type RequestEmailChangeError = OwnErrorOf<'RequestEmailChange'>
export type ConfirmEmailChangeError = OwnErrorOf<'ConfirmEmailChange'>
export type CompleteRegistrationError = ErrorOf<'CompleteRegistration'>
export type RequestPasswordResetError = ErrorOf<'RequestPasswordReset'>
export type ConfirmPasswordResetError = ErrorOf<'ConfirmPasswordReset'>
export type RequestLoginCodeError = ErrorOf<'RequestLoginCode'>
export type ContinueLoginError = ErrorOf<'ContinueLogin'>

/** What proves who the user is, at `reauthentication_required`. */
export type Factor = Extract<DeleteError, { code: 'reauthentication_required' }>['factors'][number]

/** The members of an error beside `reauthentication_required`. */
export function demandOf({ max_age, factors }: Record<string, unknown>): { max_age: number; factors: Factor[] } {
  if (typeof max_age !== 'number') refuse()
  return { max_age, factors: textsOf(factors) as Factor[] }
}

const own = { ...common, ...bearing, cross_origin: true } as const

/** The codes of each operation. */
export const accountCodes = {
  UpdateCurrentUser: { ...asking, ...bearing, username_taken: true, precondition_failed: true },
  ChangePassword: { ...hashing, ...bearing, wrong_password: true },
  DeleteCurrentUser: { ...own, reauthentication_required: demandOf, last_superuser: true },
  Reauthenticate: { ...hashing, ...bearing, wrong_password: true, invalid_code: true },
  ListOwnEvents: { ...common, ...bearing, invalid_request: asking.invalid_request },
  ListSessions: { ...common, ...bearing },
  EndSession: { ...own, session_not_found: true },
  EndAllSessions: own,
  RequestEmailVerification: { ...own, email_verified: true, rate_limited: true },
  ConfirmEmailVerification: { ...asking, ...bearing, invalid_code: true },
  RequestEmailChange: { ...asking, ...bearing, reauthentication_required: demandOf },
  ConfirmEmailChange: { ...asking, ...bearing, invalid_code: true, email_taken: true },
  CompleteRegistration: { ...asking, invalid_code: true, email_taken: true, username_taken: true },
  RequestPasswordReset: asking,
  ConfirmPasswordReset: { ...hashing, invalid_code: true },
  RequestLoginCode: asking,
  ContinueLogin: { ...asking, invalid_code: true, invalid_scope: true },
} as const

/** The compiler holds them to be those of the contract: no fewer, and no more. */
type Known = typeof accountCodes
export const areComplete: Known extends { [Op in keyof Known]: Codes<ServerError<Op>> } ? true : never = true
type Unknown = { [Op in keyof Known]: Exclude<keyof Known[Op], ServerError<Op>['code']> }[keyof Known]
export const areExact: [Unknown] extends [never] ? true : never = true
