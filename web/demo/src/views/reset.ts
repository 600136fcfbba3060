import { auth, mine } from '../auth.ts'
import { el } from '../dom.ts'
import type { FieldOptions } from '../field.ts'
import { makeForm } from '../form.ts'
import { dropLink, heldLink } from '../link.ts'
import { goTo, type View } from '../page.ts'
import { dropPending, pendingOf } from '../pending.ts'
import { codeField } from './code-field.ts'

const password: FieldOptions<'password'> = {
  name: 'password',
  pointer: '/new_password',
  label: 'New password',
  hint: 'Long is good. A few words with spaces between them will do.',
  kind: 'password',
  autocomplete: 'new-password',
}

/** Asks for the new password, and without the link of a mail also for its code. */
export function resetView(): View {
  const undo = heldLink('email_changed')
  const invitation = heldLink('invitation')
  const link = undo ?? invitation ?? heldLink('reset_password')
  const pending = pendingOf('reset_password')
  const form = makeForm<'code' | 'password'>({
    fields: link ? [password] : [codeField, password],
    submit: 'Set the password',
    busy: 'Setting…',
    send: async (values) => {
      const proof = link ? { code: link.token } : { request: pending?.request ?? '', code: values.code }
      const result = await mine.confirmPasswordReset({ ...proof, new_password: values.password })
      if (!result.ok) return result.error
      dropLink()
      dropPending('reset_password')
      // A link may be for another account than the one that a code was asked for here.
      const hasLoggedIn = !link && pending && (await auth.login({ email: pending.email, password: values.password })).ok
      if (!hasLoggedIn) goTo('#/login', 'Your new password is set. Log in with it.')
      return undefined
    },
  })
  const asks = link ? '#/login' : '#/forgotten'
  const other = link ? 'Back to the login' : 'Ask for another code'
  const aside = el('p', { class: 'aside' }, el('a', { href: asks }, other))
  const words = undo
    ? 'Set a new password, and your account gets its former email back.'
    : link
      ? ''
      : `For ${pending?.email ?? ''}.`
  return {
    title: invitation ? 'Choose a password' : 'New password',
    body: el('div', {}, el('p', { class: 'quiet' }, words), form, aside),
  }
}
