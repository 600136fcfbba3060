import type { FieldOptions } from '../field.ts'

/** Where the code of a mail is entered. */
export const codeField: FieldOptions<'code'> = {
  name: 'code',
  pointer: '/code',
  label: 'Code',
  hint: 'The 8 digits in the mail.',
  kind: 'code',
  autocomplete: 'one-time-code',
}
