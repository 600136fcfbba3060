import type { components } from './api.ts'
import type { Result } from './errors.ts'
import type { Begun, CallOptions, Client, User } from './index.ts'
import type { Session, Sessions } from './session.ts'

type Token = components['schemas']['Token']
type RegisteredUser = components['schemas']['RegisteredUser']

/** The part of a client that the other modules use, such as the one for accounts. */
export interface Internals {
  readonly baseUrl: string
  /** Whether cookies are sent with the calls of the server's API. */
  readonly credentials: RequestCredentials
  readonly ask: Ask
  readonly sessions: Sessions
  /** The member of a request whose answer has tokens. */
  readonly delivery: { token_delivery?: 'cookie' }
  /** Returns the session, after a refresh if necessary. */
  readonly current: () => Promise<Session | null>
  /**
   * Returns the user in the body of an answer, and keeps it with the session of that call. Throws
   * if the body has no user.
   */
  readonly learnUser: (body: unknown, response: Response) => User
  /** Bounds the time of a call that waits for more than one request. */
  readonly within: <T, E>(
    options: CallOptions,
    work: (signal: AbortSignal) => Promise<Result<T, E>>,
  ) => Promise<Result<T, E>>
  /** Begins a session with the tokens of a user who was registered, and returns the user. */
  readonly enroll: <E>(ask: () => Promise<Result<RegisteredUser, E>>) => Promise<Result<User, E>>
  /** Begins a session with the tokens that a call returns. */
  readonly logIn: <E>(ask: () => Promise<Result<Token, E>>) => Promise<Result<Begun, E>>
}

/** The options of a call, and a `timeout` in milliseconds that replaces the client's. */
export interface AskOptions extends RequestInit {
  timeout?: number
  /** Reports whether the request gets the session's token. Without it no request does. */
  takes?: (request: Request) => boolean
}

/**
 * Sends a request, with the session's token if it `takes` it, and reads the answer. If `isLeft`,
 * the caller reads the rest of the answer after the call has returned.
 */
export type Ask = <T>(
  url: string,
  options: AskOptions,
  read: (response: Response) => Promise<T>,
  isLeft?: boolean,
) => Promise<T>

/** Kept apart from the client, so that its users don't see it. */
export const internals = new WeakMap<Client, Internals>()
