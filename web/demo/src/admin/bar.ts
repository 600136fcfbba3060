import { el } from '../dom.ts'
import { part } from '../page.ts'
import { auth } from './auth.ts'

const places = [
  ['#/users', 'Users'],
  ['#/events', 'Activity'],
  ['#/invite', 'Invite'],
] as const

/** Shows the links of the page's head to an operator who is logged in. */
export function showBar(path: string): void {
  const bar = part('bar')
  if (!auth.isAuthenticated()) {
    bar.replaceChildren()
    return
  }
  const links = places.map(([href, name]) =>
    el('li', {}, el('a', { href, ...(href === `#${path}` ? { 'aria-current': 'page' } : {}) }, name)),
  )
  const logout = el('button', { type: 'button', class: 'plain' }, 'Log out')
  // main.ts changes the view when it hears that the session is over.
  logout.addEventListener('click', () => void auth.logout())
  bar.replaceChildren(el('nav', { 'aria-label': 'Main' }, el('ul', { class: 'plain' }, ...links)), logout)
}
