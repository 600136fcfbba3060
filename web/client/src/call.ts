import { fieldErrorsOf, objectOf, refuse } from './answers.ts'
import { codes, type Errors, type RefreshError, type Result } from './errors.ts'

/** What the server is answered with `parseAs: 'text'`: the body not yet taken for what the contract says. */
interface Fetched {
  data?: unknown
  error?: unknown
  response: Response
}

/** A call could not be sent, as the session had to be refreshed first and that has failed so. */
export class RefreshFailed extends Error {
  constructor(override readonly cause: RefreshError) {
    super(cause.code)
  }
}

/**
 * Turns what a call is answered, or rejects with, into a result. Nothing is believed that isn't in the contract: `check`
 * throws if the body of a success isn't.
 */
export async function call<T, Op extends keyof Errors>(
  operation: Op,
  fetched: Promise<Fetched>,
  check: (body: unknown) => T,
): Promise<Result<T, Errors[Op]>> {
  const failed = (error: object) => ({ ok: false as const, error: error as Errors[Op] })
  let answer: Fetched
  try {
    answer = await fetched
  } catch (cause) {
    return failed(cause instanceof RefreshFailed ? cause.cause : { code: 'network_error', cause })
  }
  const { response } = answer
  const requestId = response.headers.get('X-Request-Id')
  const id = requestId === null ? {} : { requestId }
  try {
    if (response.ok) return { ok: true, data: check(JSON.parse(answer.data as string)) }
    // It was parsed as far as it is JSON: what isn't is a string.
    const { code, status, detail, errors } = objectOf(answer.error)
    const isKnown = typeof code === 'string' && Object.hasOwn(codes[operation], code)
    if (!isKnown || status !== response.status || typeof detail !== 'string') refuse()
    const fields = code === 'invalid_request' ? { errors: fieldErrorsOf(errors) } : {}
    const retryAfter = Number(response.headers.get('Retry-After'))
    return failed({ code, status, detail, ...id, ...(retryAfter > 0 && { retryAfter }), ...fields })
  } catch (cause) {
    return failed({ code: 'unexpected_answer', status: response.status, ...id, cause })
  }
}
