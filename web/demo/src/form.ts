import { el, isBusy, setBusy } from './dom.ts'
import { makeField, type Field, type FieldOptions } from './field.ts'
import { say } from './page.ts'
import { explain } from './reach.ts'
import { checkFields, type AppError, type Told } from './words.ts'

export interface FormOptions<Name extends string> {
  readonly fields: readonly FieldOptions<Name>[]
  /** The button's words, and those while the answer is awaited. */
  readonly submit: string
  readonly busy: string
  /** How the button looks; `primary` by default. */
  readonly look?: 'secondary' | 'danger'
  /**
   * Sends what was typed. Returns what went wrong, or undefined if the view is about to change or
   * has said the result.
   */
  send(values: Readonly<Record<Name, string>>): Promise<AppError | undefined>
  /** Returns where the focus goes after an error that belongs to no field. By default it stays where it is. */
  readonly focusAfterError?: (error: AppError) => Name | undefined
}

/**
 * Makes a form. It checks that nothing is missing. Everything else the server checks, so that no
 * rule of the contract is written a second time.
 */
export function makeForm<Name extends string>(options: FormOptions<Name>): HTMLFormElement {
  const fields = options.fields.map((field) => makeField(field))
  const button = el('button', { type: 'submit', class: options.look ?? 'primary' }, options.submit)
  const form = el('form', { novalidate: '', method: 'post' }, ...fields.map((field) => field.element), button)

  const submit = async () => {
    clear(fields)
    const missing = findMissing(fields)
    if (missing) {
      say(checkFields, 'error')
      missing.input.focus()
      return
    }
    say(options.busy, 'spoken')
    setBusy(button, true)
    button.textContent = options.busy
    const wrong = await attempt(options, fields).finally(() => {
      setBusy(button, false)
      button.textContent = options.submit
    })
    // The person may have gone to another view meanwhile, which has words of its own.
    if (!wrong || !form.isConnected) return
    const bad = showError(fields, wrong.told)
    const name = options.focusAfterError?.(wrong.error)
    const next = bad ?? fields.find((field) => field.name === name)
    // A person who has moved on to something else in the page is left there. In Safari a clicked
    // button has no focus.
    const at = document.activeElement
    if (at === document.body || form.contains(at)) next?.input.focus()
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    if (!isBusy(button)) void submit()
  })
  return form
}

/** Sends the form. Returns what went wrong, with its words. */
async function attempt<Name extends string>(options: FormOptions<Name>, fields: readonly Field<Name>[]) {
  const error = await options.send(valuesOf(fields))
  return error && { error, told: await explain(error) }
}

/** Marks the fields that are empty and may not be. Returns the first of them. */
function findMissing<Name extends string>(fields: readonly Field<Name>[]): Field<Name> | undefined {
  const missing = fields.filter((field) => field.input.required && field.value() === '')
  for (const field of missing) field.setError('Please fill this in.')
  return missing[0]
}

/** Puts each message beside its field, and the others into the status. Returns the first field that is wrong. */
function showError<Name extends string>(fields: readonly Field<Name>[], told: Told): Field<Name> | undefined {
  const homeless: string[] = []
  for (const { pointer, message } of told.fields) {
    const field = fields.find((each) => each.pointer === pointer)
    if (field) field.setError(message)
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
