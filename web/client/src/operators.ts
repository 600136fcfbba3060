import { sessionsOf } from './account-answers.ts'
import type { components, operations } from './api.ts'
import { call, done } from './call.ts'
import { contract } from './contract.ts'
import type { Result } from './errors.ts'
import type { CallOptions, Client } from './index.ts'
import { managedEventsOf, managedUsersOf, managedVersionOf } from './operators-answers.ts'
import {
  operatorCodes as codes,
  type DeleteUserError,
  type EndUserSessionsError,
  type GetUserError,
  type InviteUserError,
  type ListEventsError,
  type ListUsersError,
  type SendPasswordResetError,
  type UpdateUserError,
  type UserSessionsError,
} from './operators-errors.ts'

export type {
  DeleteUserError,
  EndUserSessionsError,
  GetUserError,
  InviteUserError,
  ListEventsError,
  ListUsersError,
  Scope,
  SendPasswordResetError,
  UpdateUserError,
  UserSessionsError,
} from './operators-errors.ts'

type Schemas = components['schemas']
type QueryOf<Op extends keyof operations> = NonNullable<operations[Op]['parameters']['query']>

/** A user, as an operator sees it. Times are RFC 3339 in UTC. */
export type ManagedUser = Schemas['ManagedUser']
/** What happened, to whom, and by whom. */
export type ManagedEvent = Schemas['ManagedEvent']
/** Where a user is logged in. */
export type ManagedSession = Schemas['Session']
/** Some of the users. `next` is the `cursor` of the next page; absent after the last. */
export type UserPage = Schemas['UserPage']
/** Some of the events. `next` is the `cursor` of the next page; absent after the last. */
export type EventPage = Schemas['ManagedEventPage']
/** Who is invited. */
export type Invitation = Schemas['Invitation']
/** A JSON merge patch (RFC 7396): what is absent stays, null removes. */
export type ManagedUserUpdate = Schemas['ManagedUserUpdate']
/** Which users are listed. A `cursor` counts only beside the filter that it was given for. */
export type UserQuery = QueryOf<'ListUsers'>
/** Which events are listed. A `cursor` counts only beside the filter that it was given for. */
export type EventQuery = QueryOf<'ListEvents'>

/** A user, and the state of it that `updateUser` changes. */
export interface ManagedVersion {
  user: ManagedUser
  etag: string
}

/** A call's promise of a result. */
type Calling<T, E> = Promise<Result<T, E>>

/**
 * A list in pages. Awaited, it is the page that was asked for. In a `for await` it is this page and
 * all that follow, up to the last or to the first that fails.
 */
export type Pages<T, E> = Calling<T, E> & AsyncIterable<Result<T, E>>

/**
 * What operators do with other people's accounts. The session needs the scopes of the calls:
 * `login` asks for them. A call whose scope the session lacks fails with `insufficient_scope`.
 * Nothing is thrown: each call returns a value.
 */
export interface Operators {
  /** Lists users, the newest first; with `email_prefix` by email. */
  listUsers: (query?: UserQuery, options?: CallOptions) => Pages<UserPage, ListUsersError>
  /** Returns a user, and its state for `updateUser`. */
  getUser: (id: string, options?: CallOptions) => Calling<ManagedVersion, GetUserError>
  /** Makes an account without a password, and mails its user how to set one. */
  inviteUser: (invitation: Invitation, options?: CallOptions) => Calling<ManagedVersion, InviteUserError>
  /** Changes a user if it is still in the state that `getUser` has returned, else fails with `precondition_failed`. */
  updateUser: (
    version: { user: Pick<ManagedUser, 'id'>; etag: string },
    changes: ManagedUserUpdate,
    options?: CallOptions,
  ) => Calling<ManagedVersion, UpdateUserError>
  /** Deletes an account. Its sessions end. */
  deleteUser: (id: string, options?: CallOptions) => Calling<undefined, DeleteUserError>

  /** Lists where a user is logged in, the newest first. */
  sessions: (id: string, options?: CallOptions) => Calling<ManagedSession[], UserSessionsError>
  /** Ends all sessions of a user. */
  endSessions: (id: string, options?: CallOptions) => Calling<undefined, EndUserSessionsError>
  /** Mails a user a code for a new password. */
  sendPasswordReset: (id: string, options?: CallOptions) => Calling<undefined, SendPasswordResetError>

  /** Lists what happened, the newest first. */
  listEvents: (query?: EventQuery, options?: CallOptions) => Pages<EventPage, ListEventsError>
}

/** Returns what an operator can do with a client's session. The client must be one of `createClient`. */
export function operators(auth: Client): Operators {
  const api = contract(auth)
  /** What a call sends beside its parameters and its body. */
  const as = (options?: CallOptions) => ({ parseAs: 'text', signal: options?.signal ?? null }) as const
  const of = (id: string, options?: CallOptions) => ({ params: { path: { user_id: id } }, ...as(options) })

  return {
    listUsers: (query = {}, options) =>
      pages(query.cursor, (cursor) =>
        call<UserPage, ListUsersError>(
          codes.ListUsers,
          api.GET('/api/users/', { params: { query: { ...query, ...cursor } }, ...as(options) }),
          managedUsersOf,
        ),
      ),
    getUser: (id, options) =>
      call<ManagedVersion, GetUserError>(
        codes.GetUser,
        api.GET('/api/users/{user_id}/', of(id, options)),
        managedVersionOf,
      ),
    inviteUser: (body, options) =>
      call<ManagedVersion, InviteUserError>(
        codes.CreateUser,
        api.POST('/api/users/invitations/', { body, ...as(options) }),
        managedVersionOf,
      ),
    updateUser: ({ user, etag }, body, options) =>
      call<ManagedVersion, UpdateUserError>(
        codes.UpdateUser,
        api.PATCH('/api/users/{user_id}/', {
          body,
          params: { path: { user_id: user.id }, header: { 'If-Match': etag } },
          ...as(options),
        }),
        managedVersionOf,
      ),
    deleteUser: (id, options) =>
      done<DeleteUserError>(codes.DeleteUser, api.DELETE('/api/users/{user_id}/', of(id, options))),

    sessions: (id, options) =>
      call<ManagedSession[], UserSessionsError>(
        codes.ListUserSessions,
        api.GET('/api/users/{user_id}/sessions/', of(id, options)),
        sessionsOf,
      ),
    endSessions: (id, options) =>
      done<EndUserSessionsError>(codes.EndUserSessions, api.DELETE('/api/users/{user_id}/sessions/', of(id, options))),
    sendPasswordReset: (id, options) =>
      done<SendPasswordResetError>(
        codes.SendUserPasswordReset,
        api.POST('/api/users/{user_id}/password-reset/', of(id, options)),
      ),

    listEvents: (query = {}, options) =>
      pages(query.cursor, (cursor) =>
        call<EventPage, ListEventsError>(
          codes.ListEvents,
          api.GET('/api/events/', { params: { query: { ...query, ...cursor } }, ...as(options) }),
          managedEventsOf,
        ),
      ),
  }
}

/** Requests a page, and each next page when a loop over the result needs it. */
function pages<T extends { next?: string }, E>(
  begin: string | undefined,
  ask: (at: { cursor?: string }) => Calling<T, E>,
): Pages<T, E> {
  const at = (cursor: string | undefined) => ask(cursor === undefined ? {} : { cursor })
  const first = at(begin)
  async function* all() {
    let page = await first
    for (;;) {
      yield page
      if (!page.ok || page.data.next === undefined) return
      page = await at(page.data.next)
    }
  }
  return Object.assign(first, { [Symbol.asyncIterator]: all })
}
