import { demandOf, type OwnErrorOf } from './account-errors.ts'
import { textsOf } from './answers.ts'
import type { operations } from './api.ts'
import { bearing, common, wrong, type Codes, type ServerError } from './errors.ts'

export type ListUsersError = OwnErrorOf<'ListUsers'>
export type GetUserError = OwnErrorOf<'GetUser'>
export type InviteUserError = OwnErrorOf<'CreateUser'>
export type UpdateUserError = OwnErrorOf<'UpdateUser'>
export type DeleteUserError = OwnErrorOf<'DeleteUser'>
export type UserSessionsError = OwnErrorOf<'ListUserSessions'>
export type EndUserSessionsError = OwnErrorOf<'EndUserSessions'>
export type SendPasswordResetError = OwnErrorOf<'SendUserPasswordReset'>
export type ListEventsError = OwnErrorOf<'ListEvents'>

/** What a login can ask for, and an operator's call demands. */
export type Scope = ScopeOf<ListUsersError> | ScopeOf<UpdateUserError>
type ScopeOf<E> = Extract<E, { code: 'insufficient_scope' }> extends { scopes: (infer S)[] } ? S : never

const operating = <E>() =>
  ({
    ...common,
    ...bearing,
    insufficient_scope: ({ scopes }: Record<string, unknown>) => ({ scopes: textsOf(scopes) as ScopeOf<E>[] }),
  }) as const
const reading = operating<ListUsersError>()
const writing = operating<UpdateUserError>()
const ofUser = { ...reading, account_not_found: true } as const
const listing = { ...reading, invalid_request: wrong.invalid_request } as const
const body = { ...wrong, request_timeout: true, cross_origin: true } as const
const changing = { ...writing, account_not_found: true, cross_origin: true } as const
const fresh = { ...changing, reauthentication_required: demandOf } as const

/** The codes of each operation. */
export const operatorCodes = {
  ListUsers: listing,
  GetUser: ofUser,
  CreateUser: { ...body, ...writing, reauthentication_required: demandOf, email_taken: true, username_taken: true },
  UpdateUser: {
    ...body,
    ...fresh,
    username_taken: true,
    external_id_taken: true,
    last_superuser: true,
    precondition_failed: true,
    precondition_required: true,
  },
  DeleteUser: { ...fresh, last_superuser: true },
  ListUserSessions: ofUser,
  EndUserSessions: changing,
  SendUserPasswordReset: { ...changing, rate_limited: true },
  ListEvents: listing,
} as const

/** The compiler holds them to be those of the contract: no fewer, and no more. */
type Known = typeof operatorCodes
export const areComplete: Known extends { [Op in keyof Known & keyof operations]: Codes<ServerError<Op>> }
  ? true
  : never = true
type Unknown = { [Op in keyof Known]: Exclude<keyof Known[Op], ServerError<Op>['code']> }[keyof Known]
export const areExact: [Unknown] extends [never] ? true : never = true
