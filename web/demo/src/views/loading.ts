import type { Result } from '@latchkey-auth/client'
import { el, onPress } from '../dom.ts'
import { focusHeading, say } from '../page.ts'
import { explain } from '../reach.ts'
import type { AppError } from '../words.ts'

export interface Loading<T> {
  readonly ask: () => Promise<Result<T, AppError>>
  /** Shows what `ask` has returned. */
  readonly view: (data: T) => HTMLElement
  /** What is shown until then, if something is known from before. */
  readonly known?: T | null
}

/** Shows what a service is asked for, once it has answered. If that fails, a button asks again. */
export function loading<T>({ ask, view, known = null }: Loading<T>): HTMLElement {
  const before = known === null ? [] : [view(known)]
  const place = el('div', {}, ...before)
  if (known === null) place.append(el('p', { class: 'quiet' }, 'Loading…'))
  const again = el('button', { type: 'button', class: 'secondary' }, 'Try again')

  const load = async () => {
    place.setAttribute('aria-busy', 'true')
    const result = await ask()
    const told = result.ok ? undefined : await explain(result.error)
    place.removeAttribute('aria-busy')
    // The person may have left the view meanwhile, or be logged out.
    if (!place.isConnected) return
    // Without a form there is no field to mark.
    if (told) say(told.fields.map((field) => field.message).join(' ') || told.message, 'error')
    const parts = result.ok ? [view(result.data)] : [...before, again]
    // What has not changed stays, and the focus in it.
    if (parts.length === 1 && place.childElementCount === 1 && place.firstElementChild?.isEqualNode(parts[0] ?? null))
      return
    const hadFocus = place.contains(document.activeElement)
    place.replaceChildren(...parts)
    if (hadFocus) focusHeading()
  }
  onPress(again, async () => {
    say('Loading…', 'spoken')
    await load()
    if (!place.isConnected || again.isConnected) return
    // It worked. The button that had the focus is gone.
    say('')
    focusHeading()
  })
  void load()
  return place
}
