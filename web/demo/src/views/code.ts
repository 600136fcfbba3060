import { mine } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { dropLink, heldLink } from '../link.ts'
import { goTo, type View } from '../page.ts'
import { dropPending, keepPending, pendingOf } from '../pending.ts'
import { codeField } from './code-field.ts'

/** Asks for a code to log in with. */
export function codeView(): View {
  const form = makeForm({
    fields: [{ name: 'email', pointer: '/email', label: 'Email', kind: 'email', autocomplete: 'username' }],
    submit: 'Mail me a code',
    busy: 'Asking…',
    send: async ({ email }) => {
      const result = await mine.requestLoginCode(email)
      if (!result.ok) return result.error
      keepPending('login_code', { email, request: result.data.request })
      goTo('#/enter', 'If this email has an account, we have mailed it a code.')
      return undefined
    },
  })
  const hint = el('p', { class: 'hint' }, 'The link in the mail works only in this browser.')
  const aside = el('p', { class: 'aside' }, el('a', { href: '#/login' }, 'Log in with your password'))
  return { title: 'Log in with a code', body: el('div', {}, form, hint, aside) }
}

/** Takes the code of the mail. After its link, a press of the button is enough. */
export function enterCodeView(): View {
  const link = heldLink('login_code') ?? heldLink('continue_login')
  const pending = pendingOf('login_code')
  const form = makeForm<'code'>({
    fields: link ? [] : [codeField],
    submit: 'Log in',
    busy: 'Logging in…',
    send: async (values) => {
      const code = link?.token ?? values.code
      const result = await mine.continueLogin({ request: pending?.request ?? '', code })
      if (!result.ok) return result.error
      dropLink()
      dropPending('login_code')
      return undefined
    },
    focusAfterError: () => 'code',
  })
  const whose = pending ? [el('p', { class: 'quiet' }, `For ${pending.email}.`)] : []
  const aside = el('p', { class: 'aside' }, el('a', { href: '#/code' }, 'Ask for another code'))
  return { title: 'Enter the code', body: el('div', {}, ...whose, form, aside) }
}
