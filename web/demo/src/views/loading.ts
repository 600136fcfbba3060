import type { Result } from '@latchkey-auth/client'
import { el } from '../dom.ts'
import { say } from '../page.ts'
import { tell, type AppError } from '../words.ts'

/** Stands for what the server is asked for, and shows it once it has answered. */
export function loading<T>(ask: () => Promise<Result<T, AppError>>, view: (data: T) => HTMLElement): HTMLElement {
  const place = el('div', { 'aria-busy': 'true' }, el('p', { class: 'quiet' }, 'Asking the server…'))
  void ask().then((result) => {
    place.removeAttribute('aria-busy')
    // Gone meanwhile: left, or logged out.
    if (!place.isConnected) return
    if (result.ok) place.replaceChildren(view(result.data))
    else {
      place.replaceChildren()
      say(tell(result.error).message, 'error')
    }
  })
  return place
}
