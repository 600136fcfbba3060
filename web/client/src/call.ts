import { objectOf, refuse } from './answers.ts'
import { AuthError, type Codes, type Result } from './errors.ts'

/** What the server is answered with `parseAs: 'text'`: the body not yet taken for what the contract says. */
export interface Fetched {
  data?: unknown
  error?: unknown
  response: Response
}

/** What stands beside a code, or true for nothing. */
type Beside = true | ((body: Record<string, unknown>) => object)

/** The result of a call that has failed so. It fits every type of error: which ones there are is for the caller to know. */
export function failed(error: object): { ok: false; error: never } {
  return { ok: false, error: error as never }
}

/** What a call has failed with that has rejected so. */
export function errorOf(cause: unknown): AuthError['error'] {
  return cause instanceof AuthError ? cause.error : { code: 'network_error', cause }
}

/**
 * Turns what a call is answered, or rejects with, into a result. Nothing is believed that isn't in the contract: `check`
 * throws if the body of a success isn't, or a header, and `codes` are those that the call fails with.
 */
export async function call<T, E extends { code: string }>(
  codes: Partial<Codes<E>>,
  fetched: Promise<Fetched>,
  check: (body: unknown, headers: Headers) => T,
): Promise<Result<T, E>> {
  let answer: Fetched
  try {
    answer = await fetched
  } catch (cause) {
    return failed(errorOf(cause))
  }
  const { response } = answer
  const requestId = response.headers.get('X-Request-Id')
  const id = requestId === null ? {} : { requestId }
  try {
    if (response.ok) return { ok: true, data: check(JSON.parse(answer.data as string), response.headers) }
    // It was parsed as far as it is JSON: what isn't is a string.
    const problem = objectOf(answer.error)
    const { code, status, detail } = problem
    const known = Object.keys(codes).includes(String(code)) && (codes as Record<string, Beside>)[code as string]
    if (!known || status !== response.status || typeof detail !== 'string') refuse()
    const beside = known === true ? {} : known(problem)
    const retryAfter = Number(response.headers.get('Retry-After'))
    return failed({ code, status, detail, ...id, ...(retryAfter > 0 && { retryAfter }), ...beside })
  } catch (cause) {
    return failed({ code: 'unexpected_answer', status: response.status, ...id, cause })
  }
}
