import { objectOf, refuse, withMembers, type Members } from './answers.ts'
import type { components } from './api.ts'

type Schemas = components['schemas']

export const eventMembers: Members<Schemas['Event']> = {
  id: 'string',
  type: 'string',
  actor: 'string',
  created_at: 'string',
}
const session: Members<Schemas['Session']> = {
  id: 'string',
  created_at: 'string',
  last_used_at: 'string',
  expires_at: 'string',
  user_agent: 'string',
  address: 'string',
  is_current: 'boolean',
}

// Each of these throws if the value isn't what the contract says.

export function eventsOf(value: unknown): Schemas['EventList'] {
  checkNext(value)
  return { ...(value as Schemas['EventList']), events: listOf(objectOf(value).events, eventMembers) }
}

export function sessionsOf(value: unknown): Schemas['Session'][] {
  return listOf(objectOf(value).sessions, session)
}

/** Checks where the next page of a list begins. */
export function checkNext(value: unknown): void {
  const { next } = objectOf(value)
  if (next !== undefined && typeof next !== 'string') refuse()
}

export function listOf<T>(value: unknown, members: Members<T>): T[] {
  if (!Array.isArray(value)) refuse()
  return value.map((each) => withMembers(each, members))
}
