import type { AccountEvent } from '@latchkey-auth/client/account'
import { mine } from '../auth.ts'
import { el } from '../dom.ts'
import type { View } from '../page.ts'
import { back } from './back.ts'
import { loading } from './loading.ts'

/** Words for every type of the contract. A type without words doesn't compile. */
const words: Record<AccountEvent['type'], string> = {
  'user.registered': 'You signed up',
  'user.created': 'The account was created',
  'user.invited': 'You were invited',
  'user.imported': 'The account was moved here',
  'user.updated': 'The profile was changed',
  'user.roles_changed': 'The roles of the account were changed',
  'user.activated': 'The account was activated',
  'user.deactivated': 'The account was deactivated',
  'user.deleted': 'The account was deleted',
  'user.logged_in': 'You logged in',
  'login.failed': 'A login failed',
  'password.changed': 'The password was changed',
  'password.reset_sent': 'A mail for a new password was sent',
  'password.reset': 'A new password was set with a mailed code',
  'code.failed': 'A wrong code was entered',
  'email.changed': 'The email was changed',
  'email.change_undone': 'A change of the email was undone',
  'email.verified': 'The email was verified',
  'session.reauthenticated': 'You confirmed that it is you',
  'session.ended': 'A session ended',
  'session.reuse_detected': 'A session ended, because it may have been stolen',
  'sessions.ended': 'All sessions ended',
}

const moment = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })

/** The newest events. `next` of the answer leads to older ones. */
export function eventsView(): View {
  const body = loading({
    ask: () => mine.events({ limit: 20 }),
    view: ({ events }) => el('ul', { class: 'rows' }, ...events.map(row)),
  })
  return { title: 'Recent activity', body: el('div', {}, body, back()) }
}

function row({ type, created_at, address }: AccountEvent): HTMLElement {
  const from = address === undefined ? '' : `, from ${address}`
  const details = el('p', { class: 'quiet' }, `${moment.format(new Date(created_at))}${from}`)
  return el('li', {}, el('p', {}, words[type]), details)
}
