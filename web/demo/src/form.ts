import { el, isBusy, setBusy } from './dom.ts'
import { makeField, type Field, type FieldOptions } from './field.ts'
import { say } from './page.ts'
import { tell, type AppError } from './words.ts'

export interface FormOptions<Name extends string> {
  readonly fields: readonly FieldOptions<Name>[]
  /** The button's words, and those while the answer is awaited. */
  readonly submit: string
  readonly busy: string
  /** How the button looks; `primary` unless said. */
  readonly look?: 'secondary' | 'danger'
  /** Sends what was typed. Answers what went wrong, or undefined when the view is about to change, or has said what came of it. */
  send(values: Readonly<Record<Name, string>>): Promise<AppError | undefined>
  /** Where the focus goes after an error that belongs to no field; it stays where it is if not said. */
  readonly focusAfterError?: (error: AppError) => Name | undefined
}

/** A form that asks the server what is wrong with it, so that no rule of the contract is checked a second time. */
export function makeForm<Name extends string>(options: FormOptions<Name>): HTMLFormElement {
  const fields = options.fields.map((field) => makeField(field))
  const button = el('button', { type: 'submit', class: options.look ?? 'primary' }, options.submit)
  const form = el('form', { novalidate: '', method: 'post' }, ...fields.map((field) => field.element), button)

  const submit = async () => {
    clear(fields)
    say(options.busy, 'busy')
    setBusy(button, true)
    button.textContent = options.busy
    const error = await options.send(valuesOf(fields)).finally(() => {
      setBusy(button, false)
      button.textContent = options.submit
    })
    // The person may have gone to another view meanwhile; its status isn't ours to write.
    if (error === undefined || !form.isConnected) return
    const bad = showError(fields, error)
    const name = options.focusAfterError?.(error)
    const next = bad ?? fields.find((field) => field.name === name)
    // Whoever has moved on to something else in the page is left there. In Safari a button that is clicked has no focus.
    const at = document.activeElement
    if (at === document.body || form.contains(at)) next?.input.focus()
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    if (!isBusy(button)) void submit()
  })
  return form
}

/** Puts each message beside its field, and into the status what has none. Answers the first field that is bad. */
function showError<Name extends string>(fields: readonly Field<Name>[], error: AppError): Field<Name> | undefined {
  const told = tell(error)
  const homeless: string[] = []
  for (const { pointer, message } of told.fields) {
    const field = fields.find((each) => each.pointer === pointer)
    if (field) field.setError(field.input.value === '' ? 'Please fill this in.' : message)
    else homeless.push(message)
  }
  say([told.message, ...homeless].join(' '), 'error')
  return fields.find((field) => field.input.hasAttribute('aria-invalid'))
}

function clear(fields: readonly Field<string>[]): void {
  for (const field of fields) {
    field.setError('')
    field.conceal()
  }
}

function valuesOf<Name extends string>(fields: readonly Field<Name>[]): Record<Name, string> {
  return Object.fromEntries(fields.map((field) => [field.name, field.value()])) as Record<Name, string>
}
