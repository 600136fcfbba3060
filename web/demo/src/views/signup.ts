import { auth } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { goTo, type View } from '../page.ts'
import { keepPending } from '../pending.ts'

export function signupView(): View {
  const form = makeForm({
    fields: [
      // `username` tells a password manager what one logs in with, and here that is the email.
      { name: 'email', pointer: '/email', label: 'Email', kind: 'email', autocomplete: 'username' },
      {
        name: 'username',
        pointer: '/username',
        label: 'Username',
        hint: 'What others see. Letters, digits, “_” and “-”.',
        kind: 'text',
        autocomplete: 'nickname',
      },
      {
        name: 'password',
        pointer: '/password',
        label: 'Password',
        hint: 'Long is good. A few words with spaces between them will do.',
        kind: 'password',
        autocomplete: 'new-password',
      },
    ],
    submit: 'Sign up',
    busy: 'Signing up…',
    send: async (values) => {
      const result = await auth.register(values)
      if (!result.ok) return result.error
      if (!('request' in result.data)) return undefined
      keepPending('complete_registration', { email: values.email, request: result.data.request })
      goTo('#/complete', 'We have mailed you a code. Enter it to finish.')
      return undefined
    },
  })
  return {
    title: 'Sign up',
    body: el('div', {}, form, el('p', { class: 'aside' }, 'Have an account? ', el('a', { href: '#/login' }, 'Log in'))),
  }
}
