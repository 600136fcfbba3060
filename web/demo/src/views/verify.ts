import { mine } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { heldLink } from '../link.ts'
import { goTo, type View } from '../page.ts'
import { back } from './back.ts'

/** Where the link of a mail leads that verifies an email. It has come to nothing yet. */
export function verifyView(): View {
  const link = heldLink('verify_email')
  const form = makeForm<never>({
    fields: [],
    submit: 'Verify my email',
    busy: 'Verifying…',
    send: async () => {
      const result = await mine.confirmEmailVerification({ code: link?.token ?? '' })
      if (!result.ok) return result.error
      goTo('#/me', 'Your email is verified.')
      return undefined
    },
  })
  const words = el('p', {}, 'Press the button to say that the mail has reached you.')
  return { title: 'Verify your email', body: el('div', {}, words, form, back()) }
}
