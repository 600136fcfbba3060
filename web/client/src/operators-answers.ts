import { checkNext, eventMembers, listOf } from './account-answers.ts'
import { objectOf, refuse, textsOf, userMembers, withMembers, type Members } from './answers.ts'
import type { components } from './api.ts'

type Schemas = components['schemas']

const managedUser: Members<Schemas['ManagedUser']> = { ...userMembers, roles: 'object', has_password: 'boolean' }
const managedEvent: Members<Schemas['ManagedEvent']> = { ...eventMembers, user_id: 'string' }

// Each of these throws if the value isn't what the contract says.

export function managedVersionOf(value: unknown, response: Response): { user: Schemas['ManagedUser']; etag: string } {
  return { user: managedUserOf(value), etag: response.headers.get('ETag') ?? refuse() }
}

export function managedUsersOf(value: unknown): Schemas['UserPage'] {
  const { users } = objectOf(value)
  if (!Array.isArray(users)) refuse()
  checkNext(value)
  return { ...(value as Schemas['UserPage']), users: users.map(managedUserOf) }
}

export function managedEventsOf(value: unknown): Schemas['ManagedEventPage'] {
  checkNext(value)
  return { ...(value as Schemas['ManagedEventPage']), events: listOf(objectOf(value).events, managedEvent) }
}

function managedUserOf(value: unknown): Schemas['ManagedUser'] {
  const user = withMembers(value, managedUser)
  textsOf(user.roles)
  return user
}
