import { objectOf, refuse } from './answers.ts'
import { AuthError, type Codes, type Result } from './errors.ts'

/** An answer of the server. Its body, a text or parsed JSON, hasn't been compared with the contract yet. */
export interface Fetched {
  data?: unknown
  error?: unknown
  response: Response
}

/** Returns the further members of an error; true if it has none. */
type Beside = true | ((body: Record<string, unknown>) => object)

/**
 * Returns the result of a call that has failed. It fits every type of error. The caller knows which
 * ones are possible.
 */
export function failed(error: object): { ok: false; error: never } {
  return { ok: false, error: error as never }
}

/** Returns the error of a call that has rejected with `cause`. */
export function errorOf(cause: unknown): AuthError['error'] {
  return cause instanceof AuthError ? cause.error : { code: 'network_error', cause }
}

/**
 * Turns an answer or a rejection into a result. Anything that isn't in the contract becomes
 * `unexpected_answer`: `check` throws if the body or a header of a success isn't in it, and `codes`
 * are those that the call can fail with.
 */
export async function call<T, E extends { code: string }>(
  codes: Partial<Codes<E>>,
  fetched: Promise<Fetched>,
  check: (body: unknown, response: Response) => T,
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
    const told = answer.data ?? answer.error
    const body: unknown = typeof told === 'string' ? JSON.parse(told) : told
    if (response.ok) return { ok: true, data: check(body, response) }
    const problem = objectOf(body)
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

/** Calls an operation whose success has no body. */
export function done<E extends { code: string }>(
  codes: Partial<Codes<E>>,
  fetched: Promise<Fetched>,
): Promise<Result<undefined, E>> {
  const answer = fetched.then((answer) => ({ ...answer, data: answer.data === '' ? 'null' : answer.data }))
  return call<undefined, E>(codes, answer, (body) => (body === null ? undefined : refuse()))
}
