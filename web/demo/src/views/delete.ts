import { mine } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { say, type View } from '../page.ts'
import type { AppError } from '../words.ts'
import { back } from './back.ts'
import { proving } from './proof.ts'

export function deleteView(): View {
  const form: HTMLFormElement = makeForm<never>({
    fields: [],
    submit: 'Delete my account',
    busy: 'Deleting…',
    look: 'danger',
    send: () => proving(form, remove),
  })
  const words = el('p', {}, 'Your account and all that belongs to it is deleted at once. Nobody can bring it back.')
  return { title: 'Delete the account', body: el('div', {}, words, form, back()) }
}

async function remove(): Promise<AppError | undefined> {
  const result = await mine.delete()
  if (!result.ok) return result.error
  // Who hears that the session is over (main.ts) has shown the login.
  say('Your account is deleted.')
  return undefined
}
