import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import type { View } from '../page.ts'
import { auth, scopes } from './auth.ts'

/** Logs an operator in, with the scopes of this page. */
export function loginView(): View {
  const form = makeForm({
    fields: [
      // The token endpoint calls the email `username`, as OAuth2 does, and so do its errors.
      { name: 'email', pointer: '/username', label: 'Email', kind: 'email', autocomplete: 'username' },
      {
        name: 'password',
        pointer: '/password',
        label: 'Password',
        kind: 'password',
        autocomplete: 'current-password',
      },
    ],
    submit: 'Log in',
    busy: 'Logging in…',
    send: async (values) => {
      const result = await auth.login({ ...values, scope: scopes.join(' ') })
      return result.ok ? undefined : result.error
    },
    focusAfterError: (error) => (error.code === 'invalid_credentials' ? 'password' : undefined),
  })
  const words = el('p', { class: 'quiet' }, 'For operators. This login is apart from the one of the everyday page.')
  const aside = el('p', { class: 'aside' }, el('a', { href: '/' }, 'To the everyday page'))
  return { title: 'Log in', body: el('div', {}, words, form, aside) }
}
