import type { FieldOptions } from '../field.ts'
import { makeForm } from '../form.ts'
import { hashOf } from './address.ts'

/**
 * A form that narrows a list. What is chosen goes into the address, so a list can be kept as a
 * bookmark. `kept` goes there too.
 */
export function makeFilter<Name extends string>(
  path: `/${string}`,
  fields: readonly FieldOptions<Name>[],
  kept: Readonly<Record<string, string | undefined>> = {},
): HTMLFormElement {
  const form = makeForm<Name>({
    fields,
    submit: 'Search',
    busy: 'Searching…',
    send: (values) => {
      const hash = hashOf(path, { ...kept, ...values })
      // The same search again shows what is there now.
      if (hash === location.hash) window.dispatchEvent(new Event('hashchange'))
      else location.hash = hash
      return Promise.resolve(undefined)
    },
  })
  form.classList.add('filter')
  form.setAttribute('role', 'search')
  return form
}

/** A field of a filter with some values, which may be any. */
export function choice<Name extends string>(
  name: Name,
  label: string,
  query: URLSearchParams,
  choices: readonly (readonly [string, string])[],
): FieldOptions<Name> {
  return {
    name,
    pointer: `/query/${name}`,
    label,
    kind: 'choice',
    autocomplete: 'off',
    value: query.get(name) ?? '',
    choices: [['', 'Any'], ...choices],
    isOptional: true,
  }
}
