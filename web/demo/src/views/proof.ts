import { mine } from '../auth.ts'
import { makeForm } from '../form.ts'
import { say } from '../page.ts'
import type { AppError } from '../words.ts'

/**
 * Does what may demand that the person proves again who they are. If it does, `form` is replaced by one that asks for the proof
 * and then does it again.
 */
export async function proving(
  form: HTMLElement,
  work: () => Promise<AppError | undefined>,
): Promise<AppError | undefined> {
  const error = await work()
  if (error?.code !== 'reauthentication_required') return error
  const proof = makeForm({
    fields: [
      {
        name: 'proof',
        pointer: '/password',
        label: 'Your password',
        kind: 'password',
        autocomplete: 'current-password',
      },
    ],
    submit: 'Go on',
    busy: 'Asking…',
    send: async ({ proof: password }) => {
      const result = await mine.reauthenticate({ factor: 'password', password })
      return result.ok ? work() : result.error
    },
    focusAfterError: () => 'proof',
  })
  form.replaceWith(proof)
  say('It is a while since you have logged in. Prove that it is you.')
  proof.querySelector('input')?.focus()
  return undefined
}
