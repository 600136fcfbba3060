import type { paths } from './api.ts'
import type { MethodOf } from './fetch.ts'

/** An operation that asks for a bearer token, which is one that answers `not_authenticated` without it. */
type Asking<Path extends keyof paths, Method extends keyof paths[Path]> = paths[Path][Method] extends {
  responses: { 401: { content: { 'application/problem+json': { code?: infer Code } } } }
}
  ? 'not_authenticated' extends Code
    ? `${Uppercase<Method & string>} ${Path}`
    : never
  : never

type Asked = {
  [Path in keyof paths]: { [Method in keyof paths[Path]]-?: Asking<Path, Method> }[keyof paths[Path]]
}[keyof paths]

/** The paths of the operations that get the session's token, below the base URL. */
const asked = /^api\/users\/(me|logout)\//

/** The compiler holds them to be those of the contract that ask for one: each such operation is at one of them, and no other is. */
type IsAsked = `${string} /api/users/${'me' | 'logout'}/${string}`
type Operations = { [P in keyof paths]: `${Uppercase<MethodOf<P>>} ${P}` }[keyof paths]
export const isComplete: [Asked] extends [IsAsked] ? true : never = true
export const isExact: [Extract<Operations, IsAsked>] extends [Asked] ? true : never = true

/**
 * Whether a request may carry the session's token: only to an operation that asks for one, and only below the client's
 * own `baseUrl`, whatever base a single call names.
 */
export function takesToken(baseUrl: string, { url }: Request): boolean {
  // Both are in the URL standard's normal form. With the slash, no longer host and no longer path begins like it.
  const base = new Request(`${baseUrl.replace(/\/$/, '')}/`).url
  return url.startsWith(base) && asked.test(url.slice(base.length))
}
