import type { components } from './api.ts'

type Schemas = components['schemas']

/** The members that an answer must have, each with its type: the compiler holds them to be those of the contract. */
export type Members<T> = {
  readonly [Name in keyof T as undefined extends T[Name] ? never : Name]: T[Name] extends string
    ? 'string'
    : T[Name] extends number
      ? 'number'
      : T[Name] extends boolean
        ? 'boolean'
        : 'object'
}

export const userMembers: Members<Schemas['User']> = {
  id: 'string',
  email: 'string',
  username: 'string',
  email_verified: 'boolean',
  is_active: 'boolean',
  is_superuser: 'boolean',
  created_at: 'string',
  updated_at: 'string',
  user_metadata: 'object',
  app_metadata: 'object',
}

const fieldError: Members<Schemas['FieldError']> = { pointer: 'string', code: 'string', detail: 'string' }

// Each of these throws if the value isn't what the contract says. Members that the contract doesn't
// have are allowed.

export function userOf(value: unknown): Schemas['User'] {
  return withMembers(value, userMembers)
}

export function registeredUserOf(value: unknown): Schemas['RegisteredUser'] {
  return { ...userOf(value), token: tokenOf(objectOf(value).token) }
}

export function codeRequestedOf(value: unknown): Schemas['CodeRequested'] {
  const { request, expires_in } = objectOf(value)
  if (typeof request !== 'string' || !isLife(expires_in)) refuse()
  return { request, expires_in: expires_in as number }
}

export function tokenOf(value: unknown): Schemas['Token'] {
  const token = objectOf(value) as Partial<Schemas['Token']>
  const areTokens = isToken(token.access_token) && isLife(token.expires_in) && token.token_type === 'bearer'
  const isInCookie = token.refresh_token === undefined && token.refresh_expires_in === undefined
  if (!areTokens || !(isInCookie || (isToken(token.refresh_token) && isLife(token.refresh_expires_in)))) refuse()
  return token as Schemas['Token']
}

/** Refuses a token that no header can have (RFC 6750 section 2.1), so that not each later call fails. */
function isToken(value: unknown): boolean {
  return typeof value === 'string' && /^[\w.~+/-]+=*$/.test(value)
}

function isLife(seconds: unknown): boolean {
  return Number.isSafeInteger(seconds) && (seconds as number) > 0
}

export function fieldErrorsOf(value: unknown): Schemas['FieldError'][] {
  if (!Array.isArray(value)) refuse()
  return value.map((each) => withMembers(each, fieldError))
}

export function textsOf(value: unknown): string[] {
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) refuse()
  return value
}

export function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) refuse()
  return value as Record<string, unknown>
}

/** Throws the error of an answer that isn't in the contract. */
export function refuse(): never {
  throw new TypeError('not what the contract says')
}

export function withMembers<T>(value: unknown, members: Members<T>): T {
  const object = objectOf(value)
  for (const [name, type] of Object.entries(members))
    if (typeof object[name] !== type || object[name] === null) refuse()
  return object as T
}
