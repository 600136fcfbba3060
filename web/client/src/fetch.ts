import {
  defaultBodySerializer,
  mergeHeaders,
  type FetchResponse,
  type HeadersOptions,
  type ParamsOption,
  type ParseAs,
  type RequestBodyOption,
} from 'openapi-fetch'

import type { operations, paths } from './api.ts'

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
export type ApiOptions<Op> = ParamsOption<Op> &
  RequestBodyOption<Op> & {
    /** Another server for this call. It gets no token. */
    baseUrl?: string
    headers?: HeadersOptions
    /** What is made of the body of a success; `json` unless said. */
    parseAs?: ParseAs
  } & Omit<RequestInit, 'body' | 'headers' | 'method'>

type ApiMethod<M extends string> = <Path extends PathsWith<M>, Options extends ApiOptions<Operation<Path, M>>>(
  path: Path,
  ...options: object extends ApiOptions<Operation<Path, M>> ? [Options?] : [Options]
) => Promise<FetchResponse<Operation<Path, M>, Options, `${string}/${string}`>>

/** Every operation of the contract, by its method and path, in the manner of openapi-fetch. */
export type Api = {
  [M in { [Path in keyof paths]: MethodOf<Path> }[keyof paths] as Uppercase<M>]: ApiMethod<M>
}

/** Parameters as the contract has them: none is a list or an object. */
type Parameters = Readonly<Record<string, string | number | boolean | undefined>>
type InQuery<Op> = Op extends { parameters: { query?: infer Query } } ? Query : never
type InPath<Op> = Op extends { parameters: { path: infer Path } } ? Path : never
export const arePlain: [InQuery<Every> | InPath<Every>] extends [Parameters | undefined] ? true : never = true

/** All methods of the contract. */
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export const isEveryMethod: [keyof Api] extends [(typeof methods)[number]] ? true : never = true

/** What the types above come to at run time. */
interface AnyOptions extends Omit<RequestInit, 'body' | 'headers'> {
  baseUrl?: string
  params?: { path?: Parameters; query?: Parameters; header?: Record<string, string> }
  headers?: HeadersOptions
  body?: unknown
  parseAs?: ParseAs
}

/**
 * Sends what `options` say to the operations of the contract. Cookies go where `credentials` says, with the calls of the own
 * server's API.
 *
 * Of openapi-fetch it takes the types, and what writes headers and bodies. The loop that it has around them, with its hooks, its
 * settings for each call and its styles of lists in an address, would be a quarter of what a page loads for a login, and nothing
 * here needs it.
 */
export function createApi(
  ownUrl: string,
  send: (request: Request) => Promise<Response>,
  credentials: NonNullable<RequestInit['credentials']> = 'same-origin',
): Api {
  const method =
    (method: string) =>
    async (path: string, { baseUrl = ownUrl, params = {}, headers, body, parseAs, ...init }: AnyOptions = {}) => {
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
      const all = mergeHeaders(body === undefined ? {} : { 'Content-Type': type }, headers, params.header)
      const url = baseUrl.replace(/\/$/, '') + filled(path, params.path) + queryOf(params.query)
      // Its type is without the headers, by which it knows a form.
      const serialize = defaultBodySerializer as (body: unknown, headers: Headers) => BodyInit
      const content = body === undefined ? {} : { body: serialize(body, all) }
      // A page of another origin can't read what is public if it sends its cookies there.
      const cookies = baseUrl === ownUrl && path.startsWith('/api/') ? { credentials } : {}
      const response = await send(new Request(url, { ...cookies, ...init, method, headers: all, ...content }))
      return response.ok
        ? { data: await parsed(response, parseAs), response }
        : { error: attempt(await response.text()), response }
    }
  return Object.fromEntries(methods.map((name) => [name, method(name)])) as unknown as Api
}

/** Puts parameters into a path such as `/api/users/me/sessions/{session_id}/`. */
function filled(path: string, values: Parameters = {}): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(values[name])))
}

function queryOf(values: Parameters = {}): string {
  const given = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
  return given.length > 0 ? `?${new URLSearchParams(given).toString()}` : ''
}

async function parsed(response: Response, parseAs: ParseAs = 'json'): Promise<unknown> {
  if (parseAs === 'stream') return response.body
  if (parseAs !== 'json') return response[parseAs]()
  const text = await response.text()
  return text ? JSON.parse(text) : undefined
}

/** JSON if it is such, else the text itself. */
function attempt(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
