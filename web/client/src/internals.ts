import type { components } from './api.ts'
import type { Result } from './errors.ts'
import type { Begun, CallOptions, Client, User } from './index.ts'
import type { Session, Sessions } from './session.ts'

type Token = components['schemas']['Token']
type RegisteredUser = components['schemas']['RegisteredUser']

/** What a module beside the client, such as the one for accounts, does with the client's session. */
export interface Internals {
  readonly sessions: Sessions
  /** What a body has that is answered with tokens. */
  readonly delivery: { token_delivery?: 'cookie' }
  /** Returns the session, refreshed if need be. */
  readonly current: () => Promise<Session | null>
  /** Gives a call an end that has more to wait for than one request. */
  readonly within: <T, E>(
    options: CallOptions,
    work: (signal: AbortSignal) => Promise<Result<T, E>>,
  ) => Promise<Result<T, E>>
  /** Begins a session with the tokens of a user that a call has made, and returns the user. */
  readonly enroll: <E>(ask: () => Promise<Result<RegisteredUser, E>>) => Promise<Result<User, E>>
  /** Begins a session with the tokens that a call is answered. */
  readonly logIn: <E>(ask: () => Promise<Result<Token, E>>) => Promise<Result<Begun, E>>
}

/** Kept here rather than in the client, so that its users see nothing of it. */
export const internals = new WeakMap<Client, Internals>()
