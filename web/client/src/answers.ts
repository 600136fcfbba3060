import type { components } from './api.ts'

type Schemas = components['schemas']

/** The members that an answer must have, each with its type: the compiler holds them to be those of the contract. */
type Members<T> = { readonly [Name in keyof T]-?: T[Name] extends string ? 'string' : 'boolean' }

const user: Members<Schemas['User']> = {
  id: 'string',
  email: 'string',
  username: 'string',
  email_verified: 'boolean',
  is_active: 'boolean',
  is_superuser: 'boolean',
  created_at: 'string',
  updated_at: 'string',
}

const fieldError: Members<Schemas['FieldError']> = { pointer: 'string', code: 'string', detail: 'string' }

// Each of these throws if the value isn't what the contract says. Members that it doesn't have are let through.

export function userOf(value: unknown): Schemas['User'] {
  return withMembers(value, user)
}

export function registeredUserOf(value: unknown): Schemas['RegisteredUser'] {
  return { ...userOf(value), token: tokenOf(objectOf(value).token) }
}

export function tokenOf(value: unknown): Schemas['Token'] {
  const { access_token, token_type, expires_in } = objectOf(value)
  // What no header could carry is refused here, not at each later call (RFC 6750 section 2.1).
  const isToken = typeof access_token === 'string' && /^[\w.~+/-]+=*$/.test(access_token) && token_type === 'bearer'
  if (!isToken || typeof expires_in !== 'number' || !Number.isSafeInteger(expires_in) || expires_in < 1) {
    throw new TypeError('not a bearer token')
  }
  return { access_token, token_type, expires_in }
}

export function fieldErrorsOf(value: unknown): Schemas['FieldError'][] {
  if (!Array.isArray(value)) throw new TypeError('not an array')
  return value.map((each) => withMembers(each, fieldError))
}

export function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not a JSON object')
  return value as Record<string, unknown>
}

function withMembers<T>(value: unknown, members: Members<T>): T {
  const object = objectOf(value)
  for (const [name, type] of Object.entries(members)) {
    if (typeof object[name] !== type) throw new TypeError(`without ${name}`)
  }
  return object as T
}
