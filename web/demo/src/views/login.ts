import { auth } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { goTo, type View } from '../page.ts'
import { keepPending } from '../pending.ts'
import { tell } from '../words.ts'

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
      if (result.ok) return undefined
      if (result.error.code !== 'email_unverified') return result.error
      keepPending('login_code', { email: values.email, request: result.error.request })
      goTo('#/enter', tell(result.error).message)
      return undefined
    },
    focusAfterError: (error) => (error.code === 'invalid_credentials' ? 'password' : undefined),
  })
  const aside = el(
    'ul',
    { class: 'aside plain' },
    el('li', {}, 'New here? ', el('a', { href: '#/signup' }, 'Sign up')),
    el('li', {}, el('a', { href: '#/forgotten' }, 'Forgot your password?')),
    el('li', {}, el('a', { href: '#/code' }, 'Log in with a code')),
  )
  return { title: 'Log in', body: el('div', {}, form, aside) }
}
