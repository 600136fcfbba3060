import type { User } from '@latchkey-auth/client'
import { auth } from '../auth.ts'
import { el } from '../dom.ts'
import type { View } from '../page.ts'
import { loading } from './loading.ts'

/** The account, with the ways to its parts. The client knows the user from before; the server knows the newest. */
export function meView(): View {
  return { title: 'Your account', body: loading({ ask: () => auth.me(), view: describe, known: auth.user }) }
}

function describe(user: User): HTMLElement {
  const list = el(
    'ul',
    { class: 'rows' },
    part('#/profile', 'Profile', user.username, user.display_name),
    part('#/email', 'Email', user.email, user.email_verified ? 'verified' : 'not verified'),
    part('#/password', 'Password'),
    part('#/sessions', 'Where you are logged in'),
    part('#/events', 'Recent activity'),
    part('#/delete', 'Delete the account'),
  )
  const since = el('p', { class: 'aside quiet' }, `A member since ${longDate.format(new Date(user.created_at))}`)
  return el('div', {}, el('nav', { 'aria-label': 'Account' }, list), since)
}

/** In the language of the page. */
const longDate = new Intl.DateTimeFormat('en', { dateStyle: 'long' })

/** A row that leads to a part of the account, with what is there now. The whole row can be pressed (style.css). */
function part(href: `#/${string}`, name: string, ...now: (string | undefined)[]): HTMLElement {
  const values = now.filter((value) => value !== undefined).map((value) => el('span', {}, value))
  return el('li', { class: 'part-link' }, el('a', { href }, name), el('div', {}, ...values))
}
