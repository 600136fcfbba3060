import { mine } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { dropLink, heldLink } from '../link.ts'
import { goTo, type View } from '../page.ts'
import { dropPending, keepPending, pendingOf } from '../pending.ts'
import { codeField } from './code-field.ts'

/** Asks for a code that logs in. */
export function codeView(): View {
  const form = makeForm({
    fields: [{ name: 'email', pointer: '/email', label: 'Email', kind: 'email', autocomplete: 'username' }],
    submit: 'Mail me a code',
    busy: 'Asking…',
    send: async ({ email }) => {
      const result = await mine.requestLoginCode(email)
      if (!result.ok) return result.error
      keepPending('login_code', { email, request: result.data.request })
      goTo('#/enter', 'If this email has an account, a code is on its way.')
      return undefined
    },
  })
  const hint = el(
    'p',
    { class: 'hint' },
    'A link of such a mail works only in the browser in which you have asked for it.',
  )
  const aside = el('p', { class: 'aside' }, el('a', { href: '#/login' }, 'Log in by your password'))
  return { title: 'Log in by a code', body: el('div', {}, form, hint, aside) }
}

/** Takes the code of the mail, or after its link no more than a press of the button. */
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
  const whose = pending ? [el('p', { class: 'quiet' }, `As ${pending.email}.`)] : []
  const aside = el('p', { class: 'aside' }, el('a', { href: '#/code' }, 'Ask for another code'))
  return { title: 'Enter the code', body: el('div', {}, ...whose, form, aside) }
}
