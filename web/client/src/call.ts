import { codes, type Result, type ServerError, type NetworkError, type UnexpectedAnswer } from './errors.ts'

/** What openapi-fetch answers with `parseAs: 'text'`: the body not yet taken for what the contract says. */
interface Fetched {
  data?: unknown
  error?: unknown
  response: Response
}

/** Turns what openapi-fetch answers, or throws, into a result. Nothing is believed that isn't in the contract. */
export async function call<T, Op extends keyof typeof codes>(
  operation: Op,
  fetched: Promise<Fetched>,
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
    if (response.ok) {
      return { ok: true, data: objectOf(JSON.parse(answer.data as string)) as T }
    }
    // openapi-fetch has tried to parse it: what it couldn't is a string.
    const problem = objectOf(answer.error)
    if (!Object.hasOwn(codes[operation], problem.code as string) || problem.status !== response.status) {
      throw new TypeError('not a problem of this operation')
    }
    const retryAfter = Number(response.headers.get('Retry-After'))
    if (retryAfter > 0) headers.retryAfter = retryAfter
    const { code, status, detail, errors } = problem
    const error = { code, status, detail, ...headers, ...(errors === undefined ? {} : { errors }) }
    return { ok: false, error: error as unknown as ServerError<Op> }
  } catch (cause) {
    return { ok: false, error: { code: 'unexpected_answer', status: response.status, ...headers, cause } }
  }
}

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not a JSON object')
  return value as Record<string, unknown>
}
