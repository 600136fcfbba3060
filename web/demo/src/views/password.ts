import { mine } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { goTo, type View } from '../page.ts'
import { back } from './back.ts'

export function passwordView(): View {
  const form = makeForm({
    fields: [
      {
        name: 'present',
        pointer: '/current_password',
        label: 'Present password',
        kind: 'password',
        autocomplete: 'current-password',
      },
      {
        name: 'password',
        pointer: '/new_password',
        label: 'New password',
        hint: 'Long is good. A few words with spaces between them will do.',
        kind: 'password',
        autocomplete: 'new-password',
      },
    ],
    submit: 'Change the password',
    busy: 'Changing…',
    send: async ({ present, password }) => {
      const result = await mine.changePassword({ current_password: present, new_password: password })
      if (!result.ok) return result.error
      goTo('#/me', 'Your password is changed. You are logged out everywhere else.')
      return undefined
    },
    focusAfterError: (error) => (error.code === 'wrong_password' ? 'present' : undefined),
  })
  return { title: 'Password', body: el('div', {}, form, back()) }
}
