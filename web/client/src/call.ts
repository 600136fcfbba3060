import { objectOf, refuse } from './answers.ts'
import type { Codes, RefreshError, Result } from './errors.ts'

/** What the server is answered with `parseAs: 'text'`: the body not yet taken for what the contract says. */
export interface Fetched {
  data?: unknown
  error?: unknown
  response: Response
}

/** What stands beside a code, or true for nothing. */
type Beside = true | ((body: Record<string, unknown>) => object)

/** A call could not be sent, as the session had to be refreshed first and that has failed so. */
export class RefreshFailed extends Error {
  constructor(override readonly cause: RefreshError) {
    super(cause.code)
  }
}

/**
 * Turns what a call is answered, or rejects with, into a result. Nothing is believed that isn't in the contract: `check`
 * throws if the body of a success isn't, or a header, and `codes` are those that the call fails with.
 */
export async function call<T, E extends { code: string }>(
  codes: Partial<Codes<E>>,
  fetched: Promise<Fetched>,
  check: (body: unknown, response: Response) => T,
): Promise<Result<T, E>> {
  const failed = (error: object) => ({ ok: false as const, error: error as E })
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
    if (response.ok) return { ok: true, data: check(JSON.parse(answer.data as string), response) }
    // It was parsed as far as it is JSON: what isn't is a string.
    const problem = objectOf(answer.error)
    const { code, status, detail } = problem
    const known = Object.hasOwn(codes, String(code)) && (codes as Record<string, Beside>)[code as string]
    if (!known || status !== response.status || typeof detail !== 'string') refuse()
    const beside = known === true ? {} : known(problem)
    const retryAfter = Number(response.headers.get('Retry-After'))
    return failed({ code, status, detail, ...id, ...(retryAfter > 0 && { retryAfter }), ...beside })
  } catch (cause) {
    return failed({ code: 'unexpected_answer', status: response.status, ...id, cause })
  }
}
