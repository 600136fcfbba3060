import type { User } from '@latchkey-auth/client'
import { auth, mine } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { goTo, say, type View } from '../page.ts'
import { back } from './back.ts'
import { loading } from './loading.ts'

export function emailView(): View {
  const body = loading(
    () => auth.me(),
    (user) => el('div', {}, present(user), ...(user.email_verified ? [] : [verification()])),
  )
  return { title: 'Email', body: el('div', {}, body, back()) }
}

function present({ email, email_verified }: User): HTMLElement {
  return el('p', {}, el('strong', {}, email), email_verified ? ' is verified.' : ' is not verified.')
}

/** Asks for a code, and then for what the mail says. */
function verification(): HTMLElement {
  const place = el('div', {})
  const ask = makeForm<never>({
    fields: [],
    submit: 'Mail me a code',
    busy: 'Asking…',
    send: async () => {
      const result = await mine.requestEmailVerification()
      if (!result.ok) return result.error
      place.replaceChildren(enter(result.data.request))
      say('A code is on its way.')
      place.querySelector('input')?.focus()
      return undefined
    },
  })
  place.append(ask)
  return place
}

function enter(request: string): HTMLFormElement {
  return makeForm({
    fields: [
      {
        name: 'code',
        pointer: '/code',
        label: 'Code',
        hint: 'The 8 digits of the mail.',
        kind: 'code',
        autocomplete: 'one-time-code',
      },
    ],
    submit: 'Verify',
    busy: 'Verifying…',
    send: async ({ code }) => {
      const result = await mine.confirmEmailVerification({ request, code })
      if (!result.ok) return result.error
      goTo('#/me', 'Your email is verified.')
      return undefined
    },
  })
}
