import type { User } from '@latchkey-auth/client'
import { auth } from '../auth.ts'
import { el, isBusy, setBusy } from '../dom.ts'
import { say, type View } from '../page.ts'
import { tell } from '../words.ts'

export function meView(): View {
  const details = el('div', {}, el('p', { class: 'quiet' }, 'Asking who you are…'))
  const again = el('button', { type: 'button', class: 'secondary' }, 'Ask again')
  const logout = el('button', { type: 'button', class: 'primary' }, 'Log out')
  again.addEventListener('click', () => {
    if (isBusy(again)) return
    void ask(details, again).then((answered) => {
      if (answered) say('The server still knows you.')
    })
  })
  // Who hears of it (main.ts) changes the view.
  logout.addEventListener('click', () => void auth.logout())
  void ask(details, again)
  const actions = el('div', { class: 'actions' }, again, logout)
  return { title: 'Your account', body: el('div', {}, details, actions, sections()) }
}

/** The ways to the rest of the account. */
function sections(): HTMLElement {
  const links = [
    ['#/profile', 'Profile'],
    ['#/email', 'Email'],
    ['#/password', 'Password'],
    ['#/sessions', 'Where you are logged in'],
    ['#/events', 'What happened'],
    ['#/delete', 'Delete the account'],
  ] as const
  const items = links.map(([href, name]) => el('li', {}, el('a', { href }, name)))
  return el('nav', { class: 'aside', 'aria-label': 'Account' }, el('ul', { class: 'plain' }, ...items))
}

/**
 * Asks the server who is logged in, and answers whether it said so. A session that the server refuses ends with the
 * answer, and main.ts shows the login.
 */
async function ask(details: HTMLElement, again: HTMLButtonElement): Promise<boolean> {
  setBusy(again, true)
  details.setAttribute('aria-busy', 'true')
  const result = await auth.me()
  setBusy(again, false)
  details.removeAttribute('aria-busy')
  // Gone meanwhile: logged out here, or refused by the server.
  if (!details.isConnected) return false
  if (result.ok) details.replaceChildren(describe(result.data))
  else say(tell(result.error).message, 'error')
  return result.ok
}

function describe(user: User): HTMLElement {
  return el(
    'dl',
    {},
    ...row('Username', user.username),
    ...(user.display_name === undefined ? [] : row('Name', user.display_name)),
    ...row('Email', user.email, user.email_verified ? 'verified' : 'not verified'),
    ...row('Since', longDate.format(new Date(user.created_at))),
    ...row('Id', el('code', {}, user.id)),
  )
}

/** In the page's language, as every other word of it. */
const longDate = new Intl.DateTimeFormat('en', { dateStyle: 'long' })

function row(name: string, value: Node | string, remark?: string): HTMLElement[] {
  const note = remark === undefined ? [] : [el('dd', { class: 'remark' }, remark)]
  return [el('dt', {}, name), el('dd', {}, value), ...note]
}
