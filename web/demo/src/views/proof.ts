import type { Account, Proof } from '@latchkey-auth/client/account'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { say } from '../page.ts'
import type { AppError } from '../words.ts'
import { codeField } from './code-field.ts'

type Work = () => Promise<AppError | undefined>

/**
 * Does work that may demand a fresh proof of who the person is. If it does, `form` is replaced by
 * one that asks for such a proof, and the work is then done again. `mine` is the account of the
 * person.
 */
export async function proving(mine: Account, form: HTMLElement, work: Work): Promise<AppError | undefined> {
  const error = await work()
  if (error?.code !== 'reauthentication_required') return error
  const place = el('div', {})
  const show = (...content: HTMLElement[]) => {
    place.replaceChildren(...content)
    place.querySelector<HTMLElement>('input, button')?.focus()
  }
  const code = byCode(mine, work, show)
  const has = (factor: Proof['factor']) => error.factors.includes(factor)
  form.replaceWith(place)
  show(...(has('password') ? [byPassword(mine, work)] : []), ...(has('email_code') ? [code] : []))
  say('Your login was a while ago. Confirm that it is you.')
  return undefined
}

function byPassword(mine: Account, work: Work): HTMLFormElement {
  return makeForm({
    fields: [
      {
        name: 'proof',
        pointer: '/password',
        label: 'Your password',
        kind: 'password',
        autocomplete: 'current-password',
      },
    ],
    submit: 'Continue',
    busy: 'Asking…',
    send: ({ proof }) => prove(mine, { factor: 'password', password: proof }, work),
    focusAfterError: () => 'proof',
  })
}

/** Has a code mailed to the account's own email, and then shows where to enter it. */
function byCode(mine: Account, work: Work, show: (form: HTMLElement) => void): HTMLFormElement {
  return makeForm<never>({
    fields: [],
    submit: 'Mail me a code instead',
    busy: 'Asking…',
    look: 'secondary',
    send: async () => {
      const me = await mine.read()
      if (!me.ok) return me.error
      const asked = await mine.requestLoginCode(me.data.user.email)
      if (!asked.ok) return asked.error
      const { request } = asked.data
      show(
        makeForm({
          fields: [codeField],
          submit: 'Continue',
          busy: 'Asking…',
          send: ({ code }) => prove(mine, { factor: 'email_code', request, code }, work),
        }),
      )
      say('We have mailed you a code.')
      return undefined
    },
  })
}

async function prove(mine: Account, proof: Proof, work: Work): Promise<AppError | undefined> {
  const result = await mine.reauthenticate(proof)
  return result.ok ? work() : result.error
}
