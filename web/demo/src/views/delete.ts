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
    send: () => proving(mine, form, remove),
  })
  const words = el('p', {}, 'Your account is deleted at once, with everything in it. Nobody can restore it.')
  return { title: 'Delete the account', body: el('div', {}, words, form, back()) }
}

async function remove(): Promise<AppError | undefined> {
  const result = await mine.delete()
  if (!result.ok) return result.error
  // main.ts has heard that the session is over, and has shown the login.
  say('Your account is deleted.')
  return undefined
}
