import { mine } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { heldLink } from '../link.ts'
import { goTo, type View } from '../page.ts'
import { back } from './back.ts'

/**
 * Where the link of a mail leads that verifies an email, or a new one. Nothing is sent before the
 * button is pressed.
 */
export function verifyView(): View {
  const change = heldLink('change_email')
  const code = (change ?? heldLink('verify_email'))?.token ?? ''
  const form = makeForm<never>({
    fields: [],
    submit: change ? 'Change my email' : 'Verify my email',
    busy: 'Sending…',
    send: async () => {
      const result = await (change ? mine.confirmEmailChange({ code }) : mine.confirmEmailVerification({ code }))
      if (!result.ok) return result.error
      goTo('#/me', change ? 'Your email is changed.' : 'Your email is verified.')
      return undefined
    },
  })
  const words = el('p', {}, 'Press the button to confirm that the mail has reached you.')
  return { title: change ? 'Your new email' : 'Verify your email', body: el('div', {}, words, form, back()) }
}
