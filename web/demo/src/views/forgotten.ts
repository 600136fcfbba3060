import { mine } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { goTo, type View } from '../page.ts'
import { keepPending } from '../pending.ts'

export function forgottenView(): View {
  const form = makeForm({
    fields: [{ name: 'email', pointer: '/email', label: 'Email', kind: 'email', autocomplete: 'username' }],
    submit: 'Mail me a code',
    busy: 'Asking…',
    send: async ({ email }) => {
      const result = await mine.requestPasswordReset(email)
      if (!result.ok) return result.error
      keepPending('reset_password', { email, request: result.data.request })
      // The server doesn't say whether there is such an account, so the page can't either.
      goTo('#/reset', 'If this email has an account, we have mailed it a code.')
      return undefined
    },
  })
  const aside = el('p', { class: 'aside' }, el('a', { href: '#/login' }, 'Back to the login'))
  return { title: 'Forgotten password', body: el('div', {}, form, aside) }
}
