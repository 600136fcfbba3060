import { eventsOf, sessionsOf } from './account-answers.ts'
import {
  accountCodes as codes,
  type Factor,
  type ChangePasswordError,
  type CompleteRegistrationError,
  type ConfirmEmailChangeError,
  type ConfirmEmailVerificationError,
  type ConfirmPasswordResetError,
  type ContinueLoginError,
  type DeleteError,
  type EndAllSessionsError,
  type EndSessionError,
  type EventsError,
  type ReauthenticateError,
  type RequestEmailChangeError,
  type RequestEmailVerificationError,
  type RequestLoginCodeError,
  type RequestPasswordResetError,
  type SessionsError,
  type UpdateError,
} from './account-errors.ts'
import { codeRequestedOf, refuse, registeredUserOf, tokenOf } from './answers.ts'
import type { components } from './api.ts'
import { call, done } from './call.ts'
import { contract } from './contract.ts'
import { codes as clientCodes, type MeError, type Result } from './errors.ts'
import type { Begun, CallOptions, Client, CodeRequested, Credentials, User } from './index.ts'
import { internals } from './internals.ts'

export type {
  ChangePasswordError,
  CompleteRegistrationError,
  ConfirmEmailChangeError,
  ConfirmEmailVerificationError,
  ConfirmPasswordResetError,
  ContinueLoginError,
  DeleteError,
  EndAllSessionsError,
  EndSessionError,
  EventsError,
  Factor,
  ReauthenticateError,
  RequestEmailChangeError,
  RequestEmailVerificationError,
  RequestLoginCodeError,
  RequestPasswordResetError,
  SessionsError,
  UpdateError,
} from './account-errors.ts'

export type { CodeRequested } from './index.ts'

type Schemas = components['schemas']

/** A user, and the state of it for `ifMatch`. */
export interface Version {
  user: User
  etag: string
}

/** A code of a mail: its 8 digits with the `request`, or the token of its link. */
export interface Code {
  request?: string
  code: string
}

/** What happened to an account. */
export type AccountEvent = Schemas['Event']
/** Where the user is logged in. */
export type AccountSession = Schemas['Session']
/** A JSON merge patch (RFC 7396): what is absent stays, null removes. */
export type UserUpdate = Schemas['UserUpdate']
/** What proves who the user is: the password, or a code of `requestLoginCode` for the account's own email. */
export type Proof = { factor: 'password'; password: string } | { factor: 'email_code'; request: string; code: string }

/** Each factor of the contract is one of a proof, and no other is. */
export const areFactors: [Factor] extends [Proof['factor']] ? true : never = true

/** A call's promise of a result. */
type Calling<T, E> = Promise<Result<T, E>>

/**
 * The account of the user who is logged in, and the ways back into an account. Nothing is thrown:
 * each call returns a value.
 */
export interface Account {
  /** Returns the user, and its state for `ifMatch`. */
  read: (options?: CallOptions) => Calling<Version, MeError>
  /** Changes the user. With `ifMatch` only if it is still in this state, else `precondition_failed`. */
  update: (changes: UserUpdate, options?: CallOptions & { ifMatch?: string }) => Calling<Version, UpdateError>
  /** Changes the password. All other sessions end. The session of this client continues. */
  changePassword: (change: Schemas['PasswordChange'], options?: CallOptions) => Calling<undefined, ChangePasswordError>
  /** Deletes the account. The session ends, here as after a logout. */
  delete: (options?: CallOptions) => Calling<undefined, DeleteError>
  /**
   * Proves again who the user is, after a call has failed with `reauthentication_required`. The
   * session continues with new tokens.
   */
  reauthenticate: (proof: Proof, options?: CallOptions) => Calling<undefined, ReauthenticateError>
  /**
   * Lists what happened to the account, the newest first. `next` is the `cursor` of the next page;
   * absent after the last.
   */
  events: (options?: CallOptions & { cursor?: string; limit?: number }) => Calling<Schemas['EventList'], EventsError>

  /** Lists where the user is logged in, the newest first. */
  sessions: (options?: CallOptions) => Calling<AccountSession[], SessionsError>
  /** Ends one of these sessions. */
  endSession: (id: string, options?: CallOptions) => Calling<undefined, EndSessionError>
  /** Ends all sessions. That of this client ends here as after a logout. */
  endAllSessions: (options?: CallOptions) => Calling<undefined, EndAllSessionsError>

  /** Has a code mailed to the email of the account. */
  requestEmailVerification: (options?: CallOptions) => Calling<CodeRequested, RequestEmailVerificationError>
  /** Verifies the email. The code needs no `request`, because the user is logged in. */
  confirmEmailVerification: (code: Code, options?: CallOptions) => Calling<undefined, ConfirmEmailVerificationError>

  /** Has a code mailed to the new email. The result is the same if the email belongs to another account. */
  requestEmailChange: (email: string, options?: CallOptions) => Calling<CodeRequested, RequestEmailChangeError>
  /**
   * Changes the email. The former email gets a mail that can undo the change for 72 hours, by
   * `confirmPasswordReset`.
   */
  confirmEmailChange: (code: Code, options?: CallOptions) => Calling<undefined, ConfirmEmailChangeError>

  /** Has a code mailed for a new password. The result is the same if no account has the email. */
  requestPasswordReset: (email: string, options?: CallOptions) => Calling<CodeRequested, RequestPasswordResetError>
  /** Sets a new password, and ends all sessions of the account. It logs nobody in. */
  confirmPasswordReset: (
    reset: Code & { new_password: string },
    options?: CallOptions,
  ) => Calling<undefined, ConfirmPasswordResetError>

  /** Completes a registration that needs a proof of the email. It makes the account and logs the user in. */
  completeRegistration: (code: Required<Code>, options?: CallOptions) => Calling<User, CompleteRegistrationError>

  /** Has a code mailed for a login. The result is the same if no account has the email. */
  requestLoginCode: (email: string, options?: CallOptions) => Calling<CodeRequested, RequestLoginCodeError>
  /** Logs in by a mailed code. It also completes a `login` that has failed with `email_unverified`. */
  continueLogin: (
    code: Required<Code> & Pick<Credentials, 'scope'>,
    options?: CallOptions,
  ) => Calling<Begun, ContinueLoginError>
}

/** Returns the account of a client's session. The client must be one of `createClient`. */
export function account(auth: Client): Account {
  const inner = internals.get(auth)
  if (!inner) throw new TypeError('not a client of createClient')
  const { sessions, delivery, current, within, learnUser, enroll, logIn } = inner
  const api = contract(auth)
  /** What a call sends beside its parameters and its body. */
  const as = (options?: CallOptions) => ({ parseAs: 'text', signal: options?.signal ?? null }) as const
  const versionOf = (body: unknown, response: Response): Version => {
    const etag = response.headers.get('ETag') ?? refuse()
    return { user: learnUser(body, response), etag }
  }
  /** Ends the session here after a success, unless another session has begun meanwhile. */
  const ending = async <E>(asked: Calling<undefined, E>): Calling<undefined, E> => {
    const login = sessions.current()?.login
    const result = await asked
    if (result.ok && sessions.current()?.login === login) sessions.logout()
    return result
  }

  return {
    read: (options) =>
      call<Version, MeError>(clientCodes.GetCurrentUser, api.GET('/api/users/me/', as(options)), versionOf),
    update: (body, { ifMatch, ...options } = {}) =>
      call<Version, UpdateError>(
        codes.UpdateCurrentUser,
        api.PATCH('/api/users/me/', {
          body,
          ...(ifMatch !== undefined && { params: { header: { 'If-Match': ifMatch } } }),
          ...as(options),
        }),
        versionOf,
      ),
    changePassword: (body, options) =>
      done<ChangePasswordError>(codes.ChangePassword, api.PUT('/api/users/me/password/', { body, ...as(options) })),
    delete: (options) => ending(done<DeleteError>(codes.DeleteCurrentUser, api.DELETE('/api/users/me/', as(options)))),
    reauthenticate: (body, options = {}) =>
      within(options, async (signal) => {
        // Refreshed before, so that the tokens of the answer are known to be of this state of the
        // session.
        const before = current()
        const sent = before.then(() =>
          api.POST('/api/users/me/reauthentication/', { body: { ...body, ...delivery }, ...as({ signal }) }),
        )
        const result = await call<Schemas['Token'], ReauthenticateError>(codes.Reauthenticate, sent, tokenOf)
        if (!result.ok) return result
        // A session that was refreshed meanwhile has newer tokens. The server has recorded the
        // proof all the same.
        const session = await before
        if (session) sessions.renew(session, result.data)
        return { ok: true, data: undefined }
      }),
    events: ({ cursor, limit, ...options } = {}) =>
      call<Schemas['EventList'], EventsError>(
        codes.ListOwnEvents,
        api.GET('/api/users/me/events/', {
          params: { query: { ...(cursor !== undefined && { cursor }), ...(limit !== undefined && { limit }) } },
          ...as(options),
        }),
        eventsOf,
      ),

    sessions: (options) =>
      call<AccountSession[], SessionsError>(
        codes.ListSessions,
        api.GET('/api/users/me/sessions/', as(options)),
        sessionsOf,
      ),
    endSession: (id, options) =>
      done<EndSessionError>(
        codes.EndSession,
        api.DELETE('/api/users/me/sessions/{session_id}/', { params: { path: { session_id: id } }, ...as(options) }),
      ),
    endAllSessions: (options) =>
      ending(done<EndAllSessionsError>(codes.EndAllSessions, api.DELETE('/api/users/me/sessions/', as(options)))),

    requestEmailVerification: (options) =>
      call<CodeRequested, RequestEmailVerificationError>(
        codes.RequestEmailVerification,
        api.POST('/api/users/me/email/verification/', as(options)),
        codeRequestedOf,
      ),
    confirmEmailVerification: (body, options) =>
      done<ConfirmEmailVerificationError>(
        codes.ConfirmEmailVerification,
        api.POST('/api/users/me/email/verification/confirm/', { body, ...as(options) }),
      ),

    requestEmailChange: (email, options) =>
      call<CodeRequested, RequestEmailChangeError>(
        codes.RequestEmailChange,
        api.POST('/api/users/me/email/', { body: { email }, ...as(options) }),
        codeRequestedOf,
      ),
    confirmEmailChange: (body, options) =>
      done<ConfirmEmailChangeError>(
        codes.ConfirmEmailChange,
        api.POST('/api/users/me/email/confirm/', { body, ...as(options) }),
      ),

    requestPasswordReset: (email, options) =>
      call<CodeRequested, RequestPasswordResetError>(
        codes.RequestPasswordReset,
        api.POST('/api/users/password-resets/', { body: { email }, ...as(options) }),
        codeRequestedOf,
      ),
    confirmPasswordReset: (body, options) =>
      done<ConfirmPasswordResetError>(
        codes.ConfirmPasswordReset,
        api.POST('/api/users/password-resets/confirm/', { body, ...as(options) }),
      ),

    completeRegistration: (body, options = {}) =>
      within(options, (signal) =>
        enroll(() =>
          call<Schemas['RegisteredUser'], CompleteRegistrationError>(
            codes.CompleteRegistration,
            api.POST('/api/users/complete/', { body: { ...body, ...delivery }, ...as({ signal }) }),
            registeredUserOf,
          ),
        ),
      ),

    requestLoginCode: (email, options) =>
      call<CodeRequested, RequestLoginCodeError>(
        codes.RequestLoginCode,
        api.POST('/api/users/login/code/', { body: { email }, ...as(options) }),
        codeRequestedOf,
      ),
    continueLogin: ({ request, code, scope }, options = {}) =>
      within(options, (signal) =>
        logIn(() =>
          call<Schemas['Token'], ContinueLoginError>(
            codes.ContinueLogin,
            api.POST('/api/users/login/continue/', {
              body: { request, factor: 'email_code', code, ...(scope !== undefined && { scope }), ...delivery },
              ...as({ signal }),
            }),
            tokenOf,
          ),
        ),
      ),
  }
}
