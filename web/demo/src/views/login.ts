import { auth } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import type { View } from '../page.ts'

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
      const result = await auth.login(values)
      return result.ok ? undefined : result.error
    },
    focusAfterError: (error) => (error.code === 'invalid_credentials' ? 'password' : undefined),
  })
  return {
    title: 'Log in',
    body: el('div', {}, form, el('p', { class: 'aside' }, 'New here? ', el('a', { href: '#/signup' }, 'Sign up'))),
  }
}
