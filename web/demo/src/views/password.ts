import { mine } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { goTo, type View } from '../page.ts'
import { back } from './back.ts'

export function passwordView(): View {
  const form = makeForm({
    fields: [
      {
        name: 'current',
        pointer: '/current_password',
        label: 'Current password',
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
    send: async ({ current, password }) => {
      const result = await mine.changePassword({ current_password: current, new_password: password })
      if (!result.ok) return result.error
      goTo('#/me', 'Your password is changed. You are logged out everywhere else.')
      return undefined
    },
    focusAfterError: (error) => (error.code === 'wrong_password' ? 'current' : undefined),
  })
  return { title: 'Password', body: el('div', {}, form, back()) }
}
