import { fieldErrorsOf, objectOf } from './answers.ts'
import { codes, type Result, type ServerError, type NetworkError, type UnexpectedAnswer } from './errors.ts'

/** What openapi-fetch answers with `parseAs: 'text'`: the body not yet taken for what the contract says. */
interface Fetched {
  data?: unknown
  error?: unknown
  response: Response
}

/**
 * Turns what openapi-fetch answers, or throws, into a result. Nothing is believed that isn't in the contract: `check`
 * throws if the body of a success isn't.
 */
export async function call<T, Op extends keyof typeof codes>(
  operation: Op,
  fetched: Promise<Fetched>,
  check: (body: unknown) => T,
): Promise<Result<T, ServerError<Op> | NetworkError | UnexpectedAnswer>> {
  let answer: Fetched
  try {
    answer = await fetched
  } catch (cause) {
    return { ok: false, error: { code: 'network_error', cause } }
  }
  const { response } = answer
  const headers: { requestId?: string; retryAfter?: number } = {}
  const requestId = response.headers.get('X-Request-Id')
  if (requestId !== null) headers.requestId = requestId
  try {
    if (response.ok) return { ok: true, data: check(JSON.parse(answer.data as string)) }
    // openapi-fetch has tried to parse it: what it couldn't is a string.
    const { code, status, detail, errors } = objectOf(answer.error)
    const isKnown = typeof code === 'string' && Object.hasOwn(codes[operation], code)
    if (!isKnown || status !== response.status || typeof detail !== 'string') {
      throw new TypeError('not a problem of this operation')
    }
    const fields = code === 'invalid_request' ? { errors: fieldErrorsOf(errors) } : {}
    const retryAfter = Number(response.headers.get('Retry-After'))
    if (retryAfter > 0) headers.retryAfter = retryAfter
    return { ok: false, error: { code, status, detail, ...headers, ...fields } as unknown as ServerError<Op> }
  } catch (cause) {
    return { ok: false, error: { code: 'unexpected_answer', status: response.status, ...headers, cause } }
  }
}
