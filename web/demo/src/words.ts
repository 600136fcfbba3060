import type { FieldError, LoginError, MeError, RegisterError } from '@latchkey-auth/client'
import type { Account } from '@latchkey-auth/client/account'

/** What a call of an account fails with. */
type ErrorOf<Call> = Call extends (...args: never) => Promise<infer Result>
  ? Extract<Result, { ok: false }> extends { error: infer Error }
    ? Error
    : never
  : never

/** Whatever can go wrong in this page. */
export type AppError =
  LoginError | MeError | RegisterError | { [Name in keyof Account]: ErrorOf<Account[Name]> }[keyof Account]

/** An error in a person's words. */
export interface Told {
  readonly message: string
  /** What belongs beside a field; `pointer` is the field as a JSON pointer into the request's body. */
  readonly fields: readonly { readonly pointer: string; readonly message: string }[]
}

/**
 * Turns an error into words for the person who sees it. The switch knows every code of the contract: when the contract
 * gets another one, `otherwise` below stops compiling, and this is the place to find words for it.
 */
export function tell(error: AppError): Told {
  switch (error.code) {
    case 'invalid_request':
      return {
        message: 'Some of this needs another look.',
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
      return told('Prove your email first. A code is in your mail.')

    case 'wrong_password':
      return told('The present password is wrong.')
    case 'invalid_code':
      return beside('/code', 'It is wrong or no longer good. Look into the newest mail, or ask for another one.')
    case 'email_verified':
      return told('Your email is verified already.')
    case 'session_not_found':
      return told('This session has ended already.')
    case 'precondition_failed':
      return told('This was changed elsewhere meanwhile. Open it again to see how it is now.')
    case 'reauthentication_required':
      return told('Prove first that it is you.')

    case 'not_authenticated':
    case 'invalid_token':
      return told('Your session has ended. Log in again.')
    case 'user_not_found':
      return told('This account no longer exists.')
    case 'user_inactive':
      return told('This account has been deactivated.')

    case 'network_error':
      return told('The server can’t be reached. Check your connection and try again; nothing you typed is lost.')
    case 'offline':
      return told('You are offline. Check your connection and try again; nothing you typed is lost.')
    case 'timeout':
    case 'request_timeout':
      return told('The connection was too slow and the server gave up. Try again.')
    case 'rate_limited':
      return told(`Too many attempts. Try again ${inSeconds(error.retryAfter)}.`)
    case 'starting':
    case 'unavailable':
    case 'overloaded':
      return told(`The service is not available now. Try again ${inSeconds(error.retryAfter)}.`)
    case 'internal_error':
      return told(`Something went wrong on the server. Try again later.${quote(error.requestId)}`)

    // These are mistakes of this page or of what stands between it and the server, not of the person.
    case 'body_too_large':
    case 'unsupported_media_type':
    case 'unsupported_grant_type':
    case 'ambiguous_credentials':
    case 'cross_origin':
    case 'origin_not_allowed':
      return told(`This page sent something that the server refuses (${error.code}).${quote(error.requestId)}`)
    case 'aborted':
    case 'session_stale':
      // This page aborts no call, and its client refreshes.
      return told('That did not work. Try again.')
    case 'unexpected_answer':
      return told('Something other than the server answered. Try again later.')

    default:
      return otherwise(error, told('That did not work. Try again later.'))
  }
}

/**
 * What is wrong with one field. A password's length stands only in the server's own words, since a server can be set to ask
 * for more; the form of a username is the same at every server.
 */
function tellField(field: FieldError): string {
  switch (field.code) {
    case 'required':
      return 'Please fill this in.'
    case 'too_short':
    case 'too_long':
      return field.detail
    case 'invalid_format':
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
      // A form like ours doesn't send these; the server's words help whoever changes it.
      return field.detail
    default:
      return otherwise(field.code, field.detail)
  }
}

function told(message: string): Told {
  return { message, fields: [] }
}

function beside(pointer: string, message: string): Told {
  return { message: 'Some of this needs another look.', fields: [{ pointer, message }] }
}

function inSeconds(seconds: number | undefined): string {
  if (seconds === undefined) return 'in a moment'
  if (seconds > 120) return `in ${Math.ceil(seconds / 60)} minutes`
  return seconds === 1 ? 'in a second' : `in ${seconds} seconds`
}

/** The request's id leads to its line in the server's log. */
function quote(requestId: string | undefined): string {
  return requestId === undefined ? '' : ` If you report it, name request ${requestId}.`
}

/** Unreachable as far as the contract goes. A server newer than this page may still send a code that it doesn't know. */
function otherwise<T>(_code: never, words: T): T {
  return words
}
