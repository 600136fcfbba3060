import type { components } from './api.ts'
import type { Result } from './errors.ts'
import type { Client } from './index.ts'
import type { Session, Sessions } from './session.ts'

type Token = components['schemas']['Token']

/** What a module beside the client, such as the one for accounts, does with the client's session. */
export interface Internals {
  readonly sessions: Sessions
  /** Returns the session, refreshed if need be. */
  readonly current: (signal: AbortSignal) => Promise<Session | null>
  /** Begins a session with the tokens that a call is answered, which has been sent just now. */
  readonly logIn: <E>(asked: Promise<Result<Token, E>>) => Promise<Result<{ expiresAt: Date }, E>>
}

/** Kept here rather than in the client, so that its users see nothing of it. */
export const internals = new WeakMap<Client, Internals>()
