import type { ManagedUser } from '@latchkey-auth/client/operators'
import { el } from '../dom.ts'
import type { View } from '../page.ts'
import { loading } from '../views/loading.ts'
import { hashOf } from './address.ts'
import { admin } from './auth.ts'
import { choice, makeFilter } from './filter.ts'
import { pager } from './pager.ts'
import { roleWords, timeOf } from './words.ts'

/**
 * A page of the users whom the address asks for. The server refuses what is no filter, such as a
 * cursor that was changed.
 */
export function usersView(query: URLSearchParams): View {
  const body = loading({
    ask: () => admin.listUsers({ limit: 20, ...Object.fromEntries(query) }),
    view: ({ users, next }) => {
      const none = el('p', { class: 'quiet' }, 'There are none like this.')
      const list = users.length > 0 ? el('ul', { class: 'rows' }, ...users.map(row)) : none
      return el('div', {}, list, pager('/users', query, next))
    },
  })
  return { title: 'Users', body: el('div', {}, filter(query), body) }
}

function filter(query: URLSearchParams): HTMLFormElement {
  return makeFilter('/users', [
    {
      name: 'email_prefix',
      pointer: '/query/email_prefix',
      label: 'Email begins with',
      kind: 'text',
      autocomplete: 'off',
      value: query.get('email_prefix') ?? '',
      isOptional: true,
    },
    choice('is_active', 'State', query, [
      ['true', 'Active'],
      ['false', 'Locked'],
    ]),
    choice('email_verified', 'Email is', query, [
      ['true', 'Verified'],
      ['false', 'Not verified'],
    ]),
    choice('role', 'Role', query, Object.entries(roleWords)),
  ])
}

function row(user: ManagedUser): HTMLElement {
  const marks = [...(user.is_active ? [] : ['Locked']), ...user.roles.map((role) => roleWords[role])]
  const seen = user.last_login_at === undefined ? 'never logged in' : `last login ${timeOf(user.last_login_at)}`
  return el(
    'li',
    { class: 'note' },
    el(
      'div',
      {},
      el('a', { href: hashOf(`/users/${user.id}`) }, user.email),
      el('p', { class: 'quiet' }, `${user.username}, ${seen}`),
    ),
    el('p', {}, el('strong', {}, marks.join(', '))),
  )
}
