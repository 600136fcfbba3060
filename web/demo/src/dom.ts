/**
 * Makes an element. Children that are strings become text, never markup, so no value from a person or a server can
 * bring an element of its own. Attributes are for literals: a value from outside has no business in `href` or `src`.
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
