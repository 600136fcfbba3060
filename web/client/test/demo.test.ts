import { expect, test } from 'vitest'

import type { FieldError } from '../dist/index.js'
import { tell, type AppError } from '../../demo/src/words.ts'

test('the demo has words for a field’s error of a later server', () => {
  const field = { pointer: '/email', code: 'of_tomorrow' as FieldError['code'], detail: 'It is of tomorrow.' }
  const error: AppError = { code: 'invalid_request', status: 422, detail: 'No.', errors: [field] }
  expect(tell(error).fields).toEqual([{ pointer: '/email', message: 'It is of tomorrow.' }])
})

test('the demo has words for an error of a later client', () => {
  const error = { code: 'of_tomorrow', detail: 'No.' } as unknown as AppError
  expect(tell(error)).toEqual({ message: 'That did not work. Try again later.', fields: [] })
})
