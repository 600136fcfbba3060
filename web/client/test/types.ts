// Compiled, not run: what a switch over a result's code must and may leave out is the compiler's to
// say.
import type { Account, DeleteError } from '../dist/account.js'
import type { Contract } from '../dist/contract.js'
import type { GetUserError, Operators, Scope } from '../dist/operators.js'
import { webStorage } from '../dist/index.js'
import type { AuthChange, LoginError, MeError, RegisterError, Result, User } from '../dist/index.js'

function never(value: never): never {
  throw new Error(JSON.stringify(value))
}

export function everyCodeOfLogin(error: LoginError): string {
  switch (error.code) {
    case 'invalid_credentials':
    case 'email_unverified':
    case 'unsupported_grant_type':
    case 'invalid_scope':
    case 'origin_not_allowed':
    case 'body_too_large':
    case 'request_timeout':
    case 'unsupported_media_type':
    case 'cross_origin':
    case 'internal_error':
      return error.detail
    case 'starting':
    case 'unavailable':
    case 'overloaded':
    case 'rate_limited':
      return `in ${error.retryAfter ?? 1} s`
    case 'invalid_request':
      return error.errors.map((field) => field.pointer).join()
    case 'network_error':
    case 'offline':
    case 'aborted':
      return String(error.cause)
    case 'timeout':
      return 'too slow'
    case 'unexpected_answer':
      return String(error.status)
    default:
      return never(error)
  }
}

export function withoutOne(error: MeError): string {
  switch (error.code) {
    case 'not_authenticated':
    case 'invalid_token':
    case 'user_not_found':
    case 'ambiguous_credentials':
    case 'internal_error':
    case 'starting':
    case 'unavailable':
    case 'network_error':
    case 'offline':
    case 'timeout':
    case 'aborted':
    case 'unexpected_answer':
    // Of the refresh that may have to come first.
    case 'session_stale':
    case 'overloaded':
    case 'rate_limited':
    case 'request_timeout':
    case 'cross_origin':
    case 'origin_not_allowed':
      return error.code
    default:
      // @ts-expect-error user_inactive is missing above
      return never(error)
  }
}

export function ofAnotherOperation(error: RegisterError): boolean {
  // @ts-expect-error a registration can't answer this
  return error.code === 'invalid_credentials'
}

export function beforeLooking(result: Result<User, MeError>): string {
  // @ts-expect-error there may be no data
  const email: unknown = result.data
  return result.ok ? result.data.email : `${result.error.code} ${typeof email}`
}

export function ofNoField(error: Extract<LoginError, { code: 'invalid_credentials' }>): unknown {
  // @ts-expect-error only a 422 has fields
  return error.errors
}

export const status: 401 = {} as Extract<LoginError, { code: 'invalid_credentials' }>['status']

export async function everyOperation(api: Contract): Promise<string | undefined> {
  const { data, error } = await api.GET('/api/users/me/')
  const email: string | undefined = data?.email
  // @ts-expect-error no operation answers this
  if (error?.code === 'teapot') return email
  const text: string | undefined = (await api.GET('/api/users/me/', { parseAs: 'text' })).data
  await api.DELETE('/api/users/me/sessions/{session_id}/', { params: { path: { session_id: 'a' } } })
  // @ts-expect-error the id is missing
  await api.DELETE('/api/users/me/sessions/{session_id}/')
  // @ts-expect-error the id is missing
  await api.DELETE('/api/users/me/sessions/{session_id}/', {})
  await api.POST('/api/users/login/token/', { body: { grant_type: 'password' } })
  // @ts-expect-error the body is missing
  await api.POST('/api/users/')
  // @ts-expect-error of the body, the half is missing
  await api.POST('/api/users/', { body: { email: 'ada@example.com' } })
  // @ts-expect-error nobody can list the sessions of all
  await api.GET('/api/sessions/')
  return text
}

export function everyCodeOfDeleting(error: DeleteError): string {
  switch (error.code) {
    case 'reauthentication_required':
      return `${error.max_age satisfies number} s: ${error.factors.join()}`
    case 'last_superuser':
    case 'not_authenticated':
    case 'invalid_token':
    case 'user_not_found':
    case 'user_inactive':
    case 'ambiguous_credentials':
    case 'cross_origin':
    case 'internal_error':
    case 'starting':
    case 'unavailable':
    case 'network_error':
    case 'offline':
    case 'timeout':
    case 'aborted':
    case 'unexpected_answer':
    // Of the refresh that may have to come first.
    case 'session_stale':
    case 'overloaded':
    case 'rate_limited':
    case 'request_timeout':
    case 'origin_not_allowed':
      // @ts-expect-error only a demand has an age
      return `${error.code} ${String(error.max_age)}`
    default:
      return never(error)
  }
}

export async function ofTheAccount(mine: Account): Promise<unknown> {
  // @ts-expect-error an account has no such member
  await mine.update({ is_superuser: true })
  // @ts-expect-error a login needs the request
  await mine.continueLogin({ code: '12345678' })
  const result = await mine.update({ display_name: null, user_metadata: { theme: null } })
  // @ts-expect-error only where it has succeeded
  return result.data
}

export function everyChange(change: AuthChange): string {
  switch (change.type) {
    case 'signed_in':
    case 'token_refreshed':
      // @ts-expect-error only a change of the user has one
      return String(change.user)
    case 'user_updated':
      return change.user.email
    case 'signed_out':
      return change.reason satisfies 'logout' | 'expired' | 'refused' | 'lost'
    default:
      return never(change)
  }
}

export function ofTheBrowser(): unknown[] {
  return [
    // @ts-expect-error the browser's storage is named
    webStorage(sessionStorage),
    webStorage('local'),
  ]
}

export async function ofOperators(admin: Operators, error: GetUserError): Promise<string[]> {
  // @ts-expect-error a change is for a state that was read
  await admin.updateUser({ user: { id: 'a' } }, { is_active: false })
  // @ts-expect-error there is no such role
  await admin.inviteUser({ email: 'ada@example.com', roles: ['king'] })
  // @ts-expect-error only operators' calls that demand a fresh proof are refused for it
  if (error.code === 'reauthentication_required') return []
  if (error.code === 'insufficient_scope') return error.scopes satisfies Scope[]
  const found: string[] = []
  for await (const page of admin.listUsers({ role: 'support' })) {
    if (page.ok) found.push(...page.data.users.map((user) => user.email))
  }
  return found
}
