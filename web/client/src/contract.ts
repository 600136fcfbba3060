import type { FetchResponse, ParamsOption, ParseAs, RequestBodyOption } from 'openapi-fetch'

import type { operations, paths } from './api.ts'
import { takesToken } from './bearer.ts'
import type { Client } from './index.ts'
import { internals } from './internals.ts'

/** The methods that a path of the contract has, in lower case as there. */
export type MethodOf<Path extends keyof paths> = {
  [M in keyof paths[Path]]-?: paths[Path][M] extends { responses: unknown } ? M & string : never
}[keyof paths[Path]]

type PathsWith<M extends string> = {
  [Path in keyof paths]: M extends MethodOf<Path> ? Path : never
}[keyof paths]

type Operation<Path extends keyof paths, M extends string> = M extends keyof paths[Path]
  ? paths[Path][M] & Record<string, unknown>
  : never

/** Every operation of the contract. */
type Every = operations[keyof operations]

/** What a call of an operation is given: its parameters and its body, typed by the contract, and what `fetch` takes. */
export type ContractOptions<Op> = ParamsOption<Op> &
  RequestBodyOption<Op> & {
    /** Another server for this call. It gets no token. */
    baseUrl?: string
    /** How the body of a success is read; `json` by default. */
    parseAs?: ParseAs
    /** The end of this call, in milliseconds, instead of the client's. */
    timeout?: number
  } & Omit<RequestInit, 'body' | 'method'>

type ContractMethod<M extends string> = <
  Path extends PathsWith<M>,
  Options extends ContractOptions<Operation<Path, M>>,
>(
  path: Path,
  ...options: object extends ContractOptions<Operation<Path, M>> ? [Options?] : [Options]
) => Promise<FetchResponse<Operation<Path, M>, Options, `${string}/${string}`>>

/** Every operation of the contract, by its method and path, in the manner of openapi-fetch. */
export type Contract = {
  [M in { [Path in keyof paths]: MethodOf<Path> }[keyof paths] as Uppercase<M>]: ContractMethod<M>
}

/** Parameters as the contract has them: none is a list or an object. */
type Parameters = Readonly<Record<string, string | number | boolean | undefined>>
type InQuery<Op> = Op extends { parameters: { query?: infer Query } } ? Query : never
type InPath<Op> = Op extends { parameters: { path: infer Path } } ? Path : never
export const arePlain: [InQuery<Every> | InPath<Every>] extends [Parameters | undefined] ? true : never = true

/** All methods of the contract. */
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export const isEveryMethod: [keyof Contract] extends [(typeof methods)[number]] ? true : never = true

/** The options at run time. */
interface AnyOptions extends Omit<RequestInit, 'body'> {
  baseUrl?: string
  params?: { path?: Parameters; query?: Parameters; header?: Record<string, string | undefined> }
  body?: unknown
  parseAs?: ParseAs
  timeout?: number
}

const contentType = 'Content-Type'

/**
 * Returns the operations of the contract, for a client's session. Operations that need a token get
 * that of the session. Each rejects with an `AuthError` if nothing answers, and returns an answer
 * unchecked.
 *
 * The types are those of openapi-fetch. Its code isn't used: its hooks and its styles of parameters
 * would double the size, and nothing here needs them.
 */
export function contract(auth: Client): Contract {
  const inner = internals.get(auth)
  if (!inner) throw new TypeError('not a client of createClient')
  const { baseUrl: ownUrl, credentials, ask } = inner
  const method =
    (method: string) =>
    async (
      path: string,
      { baseUrl = ownUrl, params = {}, headers, body, parseAs, ...init }: AnyOptions = {},
    ): Promise<unknown> => {
      const all = new Headers(headers)
      for (const [name, value] of Object.entries(params.header ?? {})) if (value) all.set(name, value)
      if (body !== undefined && !all.has(contentType)) {
        all.set(contentType, method === 'PATCH' ? 'application/merge-patch+json' : 'application/json')
      }
      const isForm = all.get(contentType) === 'application/x-www-form-urlencoded'
      const content = body === undefined ? {} : { body: isForm ? formOf(body) : JSON.stringify(body) }
      const query = formOf(params.query)
      const url = baseUrl.replace(/\/$/, '') + filled(path, params.path) + (query && `?${query}`)
      // A page of another origin can't read a public answer if it sends cookies with the request.
      const cookies = baseUrl === ownUrl && path.startsWith('/api/') ? { credentials } : {}
      return ask(
        url,
        {
          ...cookies,
          ...init,
          method,
          headers: all,
          ...content,
          takes: (request) => takesToken(ownUrl, `${method} ${path}`, request),
        },
        async (response) =>
          response.ok
            ? { data: await parsed(response, parseAs), response }
            : { error: attempt(await response.text()), response },
        parseAs === 'stream',
      )
    }
  return Object.fromEntries(methods.map((name) => [name, method(name)])) as unknown as Contract
}

/**
 * Puts parameters into a path such as `/api/users/me/sessions/{session_id}/`.
 *
 * @throws TypeError if the path would be that of another operation: `..` leads to the one above.
 */
function filled(path: string, values: Parameters = {}): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = String(values[name])
    if (/^\.{0,2}$/.test(value)) throw new TypeError(`${name} is ${JSON.stringify(value)}`)
    return encodeURIComponent(value)
  })
}

/** Returns the values as a form, without those that are undefined. */
function formOf(values: unknown = {}): string {
  // From an object rather than a list of pairs, of which some releases of React Native make
  // something else.
  return new URLSearchParams(JSON.parse(JSON.stringify(values)) as Record<string, string>).toString()
}

async function parsed(response: Response, parseAs: ParseAs = 'json'): Promise<unknown> {
  if (parseAs === 'stream') return response.body
  if (parseAs !== 'json') return response[parseAs]()
  const text = await response.text()
  return text ? JSON.parse(text) : undefined
}

/** Returns the parsed text, or the text itself if it isn't JSON. */
function attempt(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
