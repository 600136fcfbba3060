import type { FieldError, LoginError, MeError, RegisterError } from '@latchkey-auth/client'
import type { Account } from '@latchkey-auth/client/account'
import type { Operators } from '@latchkey-auth/client/operators'
import type { NotesError, NotesProblem } from './notes-error.ts'

/** What a call of an account or of an operator fails with. */
type ErrorOf<Call> = Call extends (...args: never) => Promise<infer Result>
  ? Extract<Result, { ok: false }> extends { error: infer Error }
    ? Error
    : never
  : never

/** Everything that can go wrong in this page. */
export type AppError =
  | LoginError
  | MeError
  | RegisterError
  | NotesError
  | { [Name in keyof Account]: ErrorOf<Account[Name]> }[keyof Account]
  | { [Name in keyof Operators]: ErrorOf<Operators[Name]> }[keyof Operators]

/** An error in a person's words. */
export interface Told {
  readonly message: string
  /** What belongs beside a field; `pointer` is the field as a JSON pointer into the request's body. */
  readonly fields: readonly { readonly pointer: string; readonly message: string }[]
}

/** What is said above a form of which some fields are marked. */
export const checkFields = 'Please check the marked fields.'

/**
 * Turns an error into words for the person who sees it. The switch has every code of the contract.
 * If the contract gets another one, the call of `otherwise` no longer compiles.
 */
export function tell(error: AppError): Told {
  switch (error.code) {
    case 'invalid_request':
      return {
        message: checkFields,
        fields: error.errors.map((field) => ({ pointer: field.pointer, message: tellField(field) })),
      }
    case 'email_taken':
      return beside('/email', 'This email already has an account. Is it yours? Then log in instead.')
    case 'username_taken':
      return beside('/username', 'This username is taken. Try another one.')
    case 'registration_closed':
      return told('Nobody can sign up here.')
    case 'invalid_credentials':
      return told('The email or the password is wrong.')
    case 'email_unverified':
      return told('Confirm your email first. We have mailed you a code.')

    case 'wrong_password':
      return told('The current password is wrong.')
    case 'invalid_code':
      return beside('/code', 'This code is wrong or has expired. Use the newest mail, or ask for another code.')
    case 'email_verified':
      return told('Your email is already verified.')
    case 'session_not_found':
      return told('This session has already ended.')
    case 'precondition_failed':
      return told('This was changed elsewhere in the meantime. Open it again to see what it is now.')
    case 'reauthentication_required':
      return told('Confirm first that it is you.')

    case 'insufficient_scope':
      return told(`Your role doesn’t allow this. It takes one that has ${error.scopes.join(' and ')}.`)
    case 'account_not_found':
      return told('There is no such account. It may have been deleted.')
    case 'last_superuser':
      return told('This is the last superuser who can log in. Give somebody else the role first.')
    case 'external_id_taken':
      return beside('/external_id', 'This id belongs to another account.')

    case 'not_authenticated':
    case 'invalid_token':
    case 'signed_out':
    case 'session_stale':
      return told('Your session has ended. Log in again.')
    case 'user_not_found':
      return told('This account no longer exists.')
    case 'user_inactive':
      return told('This account has been deactivated.')

    case 'offline':
      return told('You are offline. Try again when you are connected.')
    // What reach.ts has found no cause of.
    case 'network_error':
    case 'notes_unanswered':
      return told('The connection was interrupted. Try again.')
    case 'timeout':
      return told('There was no answer in time. Try again.')
    case 'aborted':
      return told('That was stopped before it was done. Try again.')
    case 'request_timeout':
      return told('The connection is too slow. Try again.')
    case 'rate_limited':
      return told(`Too many attempts. Try again ${inSeconds(error.retryAfter)}.`)
    case 'starting':
    case 'unavailable':
    case 'overloaded':
      return told(`The service is not available now. Try again ${inSeconds(error.retryAfter)}.`)
    case 'internal_error':
      return told(`Something went wrong on the server. Try again later.${quote(error.requestId)}`)

    case 'notes_problem':
      return tellNotes(error)

    // These are mistakes of this page, or of a proxy before the server. The person can't mend them.
    case 'wrong_origin':
    case 'body_too_large':
    case 'unsupported_media_type':
    case 'unsupported_grant_type':
    case 'invalid_scope':
    case 'precondition_required':
    case 'ambiguous_credentials':
    case 'cross_origin':
    case 'origin_not_allowed':
      return told(`This page made a mistake (${error.code}).${'requestId' in error ? quote(error.requestId) : ''}`)
    case 'unexpected_answer':
      return told('The answer was not one of this service. Try again later.')

    default:
      return otherwise(error, told('That did not work. Try again later.'))
  }
}

/** An error of the notes' API. Its own words are for people, but those about a token are not. */
function tellNotes({ reason, detail }: NotesProblem): Told {
  switch (reason) {
    case 'invalid_text':
      return beside('/text', detail)
    case 'not_authenticated':
    case 'invalid_token':
      return told(
        'The notes’ API doesn’t accept the access token. Compare its issuer and its audience with the server’s.',
      )
    case 'unavailable':
      return told('The notes’ API can’t check the access token now. It can’t fetch the keys of the Latchkey server.')
    default:
      return told(detail)
  }
}

/**
 * Returns what is wrong with one field. A server can demand longer passwords, so the length comes
 * from the server's own words. The form of a username is the same at every server.
 */
function tellField(field: FieldError): string {
  switch (field.code) {
    case 'required':
      return 'Please fill this in.'
    case 'too_short':
    case 'too_long':
      return field.detail
    case 'invalid_format':
      if (field.pointer === '/query/cursor') return 'This page of the list is no longer there. Search again.'
      if (field.pointer === '/email') return 'Use an email such as ada@example.com.'
      return field.pointer === '/username' ? 'Use 3 to 64 letters, digits, “_” and “-”.' : field.detail
    case 'invalid_character':
      return 'It has a character that is not allowed.'
    case 'common_password':
      return 'This is too easily guessed. Try a few words that only you would put together.'
    case 'malformed':
    case 'unknown':
    case 'duplicate':
    case 'wrong_type':
    case 'query_not_allowed':
    case 'not_allowed':
      // Our forms don't send these. The server's words help a developer who changes a form.
      return field.detail
    default:
      return otherwise(field.code, field.detail)
  }
}

function told(message: string): Told {
  return { message, fields: [] }
}

function beside(pointer: string, message: string): Told {
  return { message: checkFields, fields: [{ pointer, message }] }
}

function inSeconds(seconds: number | undefined): string {
  if (seconds === undefined) return 'in a moment'
  if (seconds > 120) return `in ${Math.ceil(seconds / 60)} minutes`
  return seconds === 1 ? 'in a second' : `in ${seconds} seconds`
}

/** The server's log has the request's id. */
function quote(requestId: string | undefined): string {
  return requestId === undefined ? '' : ` If you report it, name request ${requestId}.`
}

/** Unreachable by the contract. A server newer than this page may still send a code that the page doesn't know. */
function otherwise<T>(_code: never, words: T): T {
  return words
}
