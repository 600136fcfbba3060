import type { AuthError, UnexpectedAnswer } from '@latchkey-auth/client'

/** The API has refused a request. `reason` and `detail` are the `code` and `detail` of its problem document. */
export interface NotesProblem {
  readonly code: 'notes_problem'
  readonly reason: string
  readonly detail: string
}

/** The API has not answered, or the server has not, which was asked for a new access token first. */
export interface NotesUnanswered {
  readonly code: 'notes_unanswered'
}

/** What a call of the notes' API fails with. */
export type NotesError =
  NotesProblem | NotesUnanswered | Exclude<AuthError['error'], { code: 'network_error' }> | UnexpectedAnswer
