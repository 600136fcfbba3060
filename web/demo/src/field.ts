import { el } from './dom.ts'

export interface FieldOptions<Name extends string> {
  readonly name: Name
  /** Where the field stands in the request's body: what the server calls it when it refuses it. */
  readonly pointer: string
  readonly label: string
  readonly hint?: string
  /** What a password manager should fill in, or learn, here (HTML, section 4.10.18.7). */
  readonly autocomplete:
    'off' | 'username' | 'nickname' | 'name' | 'email' | 'new-password' | 'current-password' | 'one-time-code'
  readonly kind: 'email' | 'text' | 'password' | 'code' | 'choice'
  /** What a choice has, each value with its words. */
  readonly choices?: readonly (readonly [value: string, words: string])[]
  /** What it has at first. */
  readonly value?: string
  /** Whether it may be left empty. */
  readonly isOptional?: boolean
}

/** A labelled input with its hint and its error. */
export interface Field<Name extends string> {
  readonly name: Name
  readonly pointer: string
  readonly element: HTMLElement
  readonly input: HTMLInputElement | HTMLSelectElement
  /** What is to be sent: a password as it was typed, anything else without the stray space of a phone's keyboard. */
  value(): string
  /** Shows what is wrong, or takes it away with ''. */
  setError(message: string): void
  /** Hides a password that is shown, so that no browser keeps it among the texts that were typed. */
  conceal(): void
}

export function makeField<Name extends string>(options: FieldOptions<Name>): Field<Name> {
  const { name, pointer, label } = options
  const text = makeInput(options)
  const input = options.choices ? makeSelect(options, options.choices) : text
  const hint = el('p', { id: `${name}-hint`, class: 'hint' }, options.hint ?? '')
  const error = el('p', { id: `${name}-error`, class: 'error' })
  const toggle = options.kind === 'password' ? makeToggle(text) : undefined

  const setError = (message: string) => {
    error.textContent = message
    input.toggleAttribute('aria-invalid', false)
    if (message !== '') input.setAttribute('aria-invalid', 'true')
    const described = [options.hint === undefined ? '' : hint.id, message === '' ? '' : error.id].filter(Boolean)
    if (described.length > 0) input.setAttribute('aria-describedby', described.join(' '))
    else input.removeAttribute('aria-describedby')
  }
  setError('')
  // The error is about what was sent; what is being typed now is another value.
  input.addEventListener('input', () => {
    setError('')
  })

  const element = el(
    'div',
    { class: 'field' },
    el('label', { for: input.id }, label),
    el('div', { class: 'control' }, input, ...(toggle ? [toggle] : [])),
    ...(options.hint === undefined ? [] : [hint]),
    error,
  )
  return {
    name,
    pointer,
    element,
    input,
    value: () => valueOf(input, options.kind),
    setError,
    conceal: () => {
      if (toggle) reveal(text, toggle, false)
    },
  }
}

/** A code may have been copied with spaces in it. */
function valueOf({ value }: Field<string>['input'], kind: FieldOptions<string>['kind']): string {
  if (kind === 'password') return value
  return kind === 'code' ? value.replace(/\s/g, '') : value.trim()
}

/**
 * An email's input is of type `text`: one of type `email` hands its value on with the domain
 * changed to Punycode. There is no `maxlength`: it would cut a pasted password short without a
 * word. Spell checkers are kept away, since some send what they check to a server, and a password
 * that is shown is text to them.
 */
function makeInput({ name, kind, autocomplete, value, isOptional }: FieldOptions<string>): HTMLInputElement {
  return el('input', {
    id: name,
    name,
    type: kind === 'password' ? 'password' : 'text',
    autocomplete,
    ...(isOptional === true ? {} : { required: '' }),
    ...(value === undefined ? {} : { value }),
    autocapitalize: 'none',
    autocorrect: 'off',
    spellcheck: 'false',
    ...(kind === 'email' ? { inputmode: 'email' } : {}),
    ...(kind === 'code' ? { inputmode: 'numeric' } : {}),
  })
}

function makeSelect({ name, value }: FieldOptions<string>, choices: NonNullable<FieldOptions<string>['choices']>) {
  const options = choices.map(([each, words]) =>
    el('option', { value: each, ...(each === value ? { selected: '' } : {}) }, words),
  )
  return el('select', { id: name, name }, ...options)
}

function makeToggle(input: HTMLInputElement): HTMLButtonElement {
  const toggle = el('button', { type: 'button', class: 'toggle', 'aria-controls': input.id })
  toggle.addEventListener('click', () => {
    reveal(input, toggle, input.type === 'password')
  })
  reveal(input, toggle, false)
  return toggle
}

function reveal(input: HTMLInputElement, toggle: HTMLButtonElement, shown: boolean): void {
  input.type = shown ? 'text' : 'password'
  toggle.textContent = shown ? 'Hide' : 'Show'
  toggle.setAttribute('aria-label', shown ? 'Hide password' : 'Show password')
}
