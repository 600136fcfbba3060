import { el } from '../dom.ts'

/** The way back from a part of the account. */
export function back(): HTMLElement {
  return el('p', { class: 'aside' }, el('a', { href: '#/me' }, 'Back to your account'))
}
