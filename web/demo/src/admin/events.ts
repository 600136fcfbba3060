import type { ManagedEvent } from '@latchkey-auth/client/operators'
import { el } from '../dom.ts'
import type { View } from '../page.ts'
import { loading } from '../views/loading.ts'
import { hashOf } from './address.ts'
import { admin } from './auth.ts'
import { choice, makeFilter } from './filter.ts'
import { pager } from './pager.ts'
import { eventWords, timeOf } from './words.ts'

/** What happened, the newest first: to everybody, or to the user that the address names. */
export function eventsView(query: URLSearchParams): View {
  const id = query.get('user_id')
  const body = loading({
    ask: () => admin.listEvents({ limit: 20, ...Object.fromEntries(query) }),
    view: ({ events, next }) =>
      el('div', {}, eventRows(events, { isOfOne: id !== null }), pager('/events', query, next)),
  })
  const whose = id === null ? [] : [el('p', {}, 'Of one user. ', el('a', { href: hashOf('/events') }, 'Of everybody'))]
  return { title: 'Activity', body: el('div', {}, filter(query), ...whose, body) }
}

function filter(query: URLSearchParams): HTMLFormElement {
  const fields = [choice('type', 'What', query, Object.entries(eventWords))]
  return makeFilter('/events', fields, { user_id: query.get('user_id') ?? undefined })
}

/** Events, each with its user unless they are all of one. */
export function eventRows(events: readonly ManagedEvent[], { isOfOne }: { isOfOne: boolean }): HTMLElement {
  if (events.length === 0) return el('p', { class: 'quiet' }, 'There is nothing like this.')
  return el('ul', { class: 'rows' }, ...events.map((event) => row(event, isOfOne)))
}

function row({ type, user_id, actor, actor_id, address, created_at }: ManagedEvent, isOfOne: boolean): HTMLElement {
  const whose = isOfOne ? [] : [el('p', {}, 'User ', userLink(user_id))]
  const by = actor_id === undefined ? [] : [', by ', userLink(actor_id)]
  const console = actor === 'operator' && actor_id === undefined ? ', by a command' : ''
  const from = address === undefined ? '' : `, from ${address}`
  const details = el('p', { class: 'quiet' }, `${timeOf(created_at)}${from}${console}`, ...by)
  return el('li', {}, el('p', {}, eventWords[type]), ...whose, details)
}

function userLink(id: string): HTMLElement {
  return el('a', { href: hashOf(`/users/${id}`) }, id)
}
