import type { AccountSession } from '@latchkey-auth/client/account'
import { mine } from '../auth.ts'
import { deviceOf } from '../device.ts'
import { el, onPress } from '../dom.ts'
import { focusHeading, say, type View } from '../page.ts'
import { explain } from '../reach.ts'
import { back } from './back.ts'
import { loading } from './loading.ts'

export function sessionsView(): View {
  const place = el('div', {})
  const list = () =>
    loading({
      ask: () => mine.sessions(),
      view: (sessions) => el('ul', { class: 'rows' }, ...sessions.map((session) => row(session, again))),
    })
  const again = () => {
    place.replaceChildren(list())
    // The button that had the focus is gone.
    focusHeading()
  }
  place.append(list())
  return { title: 'Where you are logged in', body: el('div', {}, place, back()) }
}

const moment = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })

function row(session: AccountSession, again: () => void): HTMLElement {
  const where = deviceOf(session.user_agent)
  const used = moment.format(new Date(session.last_used_at))
  const details = el('p', { class: 'quiet' }, `From ${session.address}, last used on ${used}`)
  const end = session.is_current ? el('p', {}, el('strong', {}, 'This browser')) : ending(session.id, where, again)
  return el('li', {}, el('p', {}, where), details, end)
}

function ending(id: string, where: string, again: () => void): HTMLElement {
  const words = 'Log out there'
  const button = el('button', { type: 'button', class: 'secondary', 'aria-label': `${words}: ${where}` }, words)
  onPress(button, async () => {
    const result = await mine.endSession(id)
    // It may have ended meanwhile.
    const isGone = result.ok || result.error.code === 'session_not_found'
    const told = isGone ? undefined : await explain(result.error)
    if (!button.isConnected) return
    if (told) {
      say(told.message, 'error')
      return
    }
    again()
    say('You are logged out there.')
  })
  return button
}
