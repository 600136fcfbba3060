import { mine } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { dropLink, heldLink } from '../link.ts'
import type { View } from '../page.ts'
import { dropPending, pendingOf } from '../pending.ts'
import { codeField } from './code-field.ts'

/** Finishes a registration at a server that demands a verified email. */
export function completeView(): View {
  const link = heldLink('complete_registration')
  const pending = pendingOf('complete_registration')
  const form = makeForm<'code'>({
    fields: link ? [] : [codeField],
    submit: 'Finish',
    busy: 'Finishing…',
    send: async (values) => {
      const code = link?.token ?? values.code
      const result = await mine.completeRegistration({ request: pending?.request ?? '', code })
      if (!result.ok) return result.error
      dropLink()
      dropPending('complete_registration')
      return undefined
    },
  })
  const whose = el('p', { class: 'quiet' }, `For ${pending?.email ?? ''}.`)
  const aside = el('p', { class: 'aside' }, el('a', { href: '#/signup' }, 'Sign up with something else'))
  return { title: 'Finish signing up', body: el('div', {}, whose, form, aside) }
}
