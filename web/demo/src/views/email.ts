import type { Result, User } from '@latchkey-auth/client'
import type { CodeRequested } from '@latchkey-auth/client/account'
import { auth, mine } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { goTo, say, type View } from '../page.ts'
import type { AppError } from '../words.ts'
import { back } from './back.ts'
import { codeField } from './code-field.ts'
import { loading } from './loading.ts'
import { proving } from './proof.ts'

export function emailView(): View {
  const body = loading({
    ask: () => auth.me(),
    view: (user) => {
      const place = el('div', {}, present(user))
      if (!user.email_verified) place.append(verification(place))
      place.append(change(place))
      return place
    },
  })
  return { title: 'Email', body: el('div', {}, body, back()) }
}

function present({ email, email_verified }: User): HTMLElement {
  return el('p', {}, el('strong', {}, email), email_verified ? ' is verified.' : ' is not verified.')
}

function verification(place: HTMLElement): HTMLElement {
  return makeForm<never>({
    fields: [],
    submit: 'Mail me a code',
    busy: 'Asking…',
    send: () =>
      mailed(place, mine.requestEmailVerification(), (request) =>
        enter('Verify', async (code) => {
          const result = await mine.confirmEmailVerification({ request, code })
          if (!result.ok) return result.error
          goTo('#/me', 'Your email is verified.')
          return undefined
        }),
      ),
  })
}

function change(place: HTMLElement): HTMLElement {
  const form: HTMLFormElement = makeForm({
    fields: [{ name: 'email', pointer: '/email', label: 'New email', kind: 'email', autocomplete: 'email' }],
    submit: 'Mail a code there',
    busy: 'Asking…',
    look: 'secondary',
    send: ({ email }) =>
      proving(mine, form, () =>
        mailed(place, mine.requestEmailChange(email), (request) =>
          enter('Change', async (code) => {
            const result = await mine.confirmEmailChange({ request, code })
            if (!result.ok) return result.error
            goTo('#/me', 'Your email is changed.')
            return undefined
          }),
        ),
      ),
  })
  return el(
    'section',
    { class: 'part', 'aria-labelledby': 'change' },
    el('h2', { id: 'change' }, 'Another email'),
    form,
  )
}

/** Waits until a code is asked for, and then shows only where to enter it. */
async function mailed(
  place: HTMLElement,
  asked: Promise<Result<CodeRequested, AppError>>,
  view: (request: string) => HTMLElement,
): Promise<AppError | undefined> {
  const result = await asked
  if (!result.ok) return result.error
  place.replaceChildren(view(result.data.request))
  say('We have mailed you a code.')
  place.querySelector('input')?.focus()
  return undefined
}

function enter(submit: string, send: (code: string) => Promise<AppError | undefined>): HTMLFormElement {
  return makeForm({ fields: [codeField], submit, busy: 'Sending…', send: ({ code }) => send(code) })
}
