/** Does work at each press of a button. The button is busy meanwhile, and presses are ignored. */
export function onPress(button: HTMLButtonElement, work: () => Promise<void>): void {
  button.addEventListener('click', () => {
    if (isBusy(button)) return
    setBusy(button, true)
    void work().finally(() => {
      setBusy(button, false)
    })
  })
}

/** Reports whether a button is waiting for an answer. */
export function isBusy(button: HTMLButtonElement): boolean {
  return button.getAttribute('aria-disabled') === 'true'
}

/**
 * Marks a button as waiting for an answer, or no longer. It isn't `disabled`, because a browser
 * takes the focus away from a disabled button, and a person who uses the keyboard would begin at
 * the top of the page again.
 */
export function setBusy(button: HTMLButtonElement, busy: boolean): void {
  for (const name of ['aria-disabled', 'aria-busy']) {
    if (busy) button.setAttribute(name, 'true')
    else button.removeAttribute(name)
  }
}

/**
 * Makes an element. Children that are strings become text, never markup, so no value from a person
 * or a server can bring an element of its own. Attributes are for literals: a value from outside
 * must not get into `href` or `src`.
 */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}
