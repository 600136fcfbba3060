import type { ManagedSession, ManagedUser, ManagedVersion } from '@latchkey-auth/client/operators'
import { deviceOf } from '../device.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { focusHeading, say, show, type View } from '../page.ts'
import type { AppError } from '../words.ts'
import { loading } from '../views/loading.ts'
import { proving } from '../views/proof.ts'
import { hashOf } from './address.ts'
import { admin, mine } from './auth.ts'
import { eventRows } from './events.ts'
import { roleWords, timeOf } from './words.ts'

/** One user, with where they are logged in and what happened. */
export function userView(id: string): View {
  /** Shows the user as they are now, and says what was done. */
  const again = (words: string) => {
    show(userView(id))
    focusHeading()
    say(words)
  }
  const account = loading({ ask: () => admin.getUser(id), view: (version) => describe(version, again) })
  const sessions = loading({ ask: () => admin.sessions(id), view: (list) => logins(id, list, again) })
  const events = loading({
    ask: () => admin.listEvents({ user_id: id, limit: 10 }),
    view: (page) => eventRows(page.events, { isOfOne: true }),
  })
  const all = el('p', {}, el('a', { href: hashOf('/events', { user_id: id }) }, 'All of their activity'))
  const back = el('p', { class: 'aside' }, el('a', { href: hashOf('/users') }, 'To all users'))
  const body = el('div', {}, account, part('Logged in', sessions), part('Activity', events, all), back)
  return { title: 'User', body }
}

function part(name: string, ...content: HTMLElement[]): HTMLElement {
  const id = name.toLowerCase().replace(' ', '-')
  return el('section', { class: 'part', 'aria-labelledby': id }, el('h2', { id }, name), ...content)
}

function describe(version: ManagedVersion, again: (words: string) => void): HTMLElement {
  // A locked account gets no mail.
  const actions = [locking(version, again), ...(version.user.is_active ? [resetting(version)] : [])]
  return el('div', {}, facts(version.user), el('div', { class: 'actions' }, ...actions))
}

function facts(user: ManagedUser): HTMLElement {
  const { email, email_verified, display_name, external_id, last_login_at, roles } = user
  const rows: (readonly [string, string | undefined])[] = [
    ['Email', `${email}, ${email_verified ? 'verified' : 'not verified'}`],
    ['Username', user.username],
    ['Name', display_name],
    ['State', user.is_active ? 'Active' : 'Locked'],
    ['Password', user.has_password ? undefined : 'None yet'],
    ['Roles', roles.length === 0 ? undefined : roles.map((role) => roleWords[role]).join(', ')],
    ['Member since', timeOf(user.created_at)],
    ['Last login', last_login_at === undefined ? 'Never' : timeOf(last_login_at)],
    ['External id', external_id],
    ['Id', user.id],
  ]
  const shown = rows.flatMap(([name, value]) => (value === undefined ? [] : [el('dt', {}, name), el('dd', {}, value)]))
  return el('dl', { class: 'facts' }, ...shown)
}

/** Locks the account, or unlocks it. A login that is long ago has to be proved again first. */
function locking(version: ManagedVersion, again: (words: string) => void): HTMLElement {
  const isActive = version.user.is_active
  const change = async (): Promise<AppError | undefined> => {
    const result = await admin.updateUser(version, { is_active: !isActive })
    if (result.ok) again(isActive ? 'The account is locked. All its sessions have ended.' : 'The account is unlocked.')
    else if (result.error.code === 'precondition_failed') again('It was changed elsewhere meanwhile. This is it now.')
    else return result.error
    return undefined
  }
  const form: HTMLFormElement = makeForm<never>({
    fields: [],
    submit: isActive ? 'Lock the account' : 'Unlock the account',
    busy: isActive ? 'Locking…' : 'Unlocking…',
    look: isActive ? 'danger' : 'secondary',
    send: () => proving(mine, form, change),
  })
  return form
}

function resetting({ user }: ManagedVersion): HTMLElement {
  return makeForm<never>({
    fields: [],
    submit: 'Mail a password reset',
    busy: 'Mailing…',
    look: 'secondary',
    send: async () => {
      const result = await admin.sendPasswordReset(user.id)
      if (!result.ok) return result.error
      say(`A mail for a new password is on its way to ${user.email}.`)
      return undefined
    },
  })
}

function logins(id: string, sessions: readonly ManagedSession[], again: (words: string) => void): HTMLElement {
  if (sessions.length === 0) return el('p', { class: 'quiet' }, 'Nowhere.')
  const end = makeForm<never>({
    fields: [],
    submit: 'End all sessions',
    busy: 'Ending…',
    look: 'secondary',
    send: async () => {
      const result = await admin.endSessions(id)
      if (!result.ok) return result.error
      again('All sessions have ended.')
      return undefined
    },
  })
  return el('div', {}, el('ul', { class: 'rows' }, ...sessions.map(login)), el('div', { class: 'actions' }, end))
}

function login({ user_agent, address, last_used_at }: ManagedSession): HTMLElement {
  const details = el('p', { class: 'quiet' }, `From ${address}, last used on ${timeOf(last_used_at)}`)
  return el('li', {}, el('p', {}, deviceOf(user_agent)), details)
}
