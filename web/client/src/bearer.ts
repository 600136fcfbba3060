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
  // With the slash, no longer host and no longer path begins like it.
  const base = absolute(baseUrl)
  return url.startsWith(base) && asked.test(url.slice(base.length))
}

/**
 * Returns what finds out whether a URL is at one of the origins, or at that of `baseUrl`.
 *
 * @throws TypeError if one of them is not an origin in the form of `location.origin`.
 */
export function atOrigins(origins: readonly string[], baseUrl: string): (url: string) => boolean {
  for (const origin of origins) {
    if (originOf(origin) !== origin) throw new TypeError(`apiOrigins: not like https://api.example.com: ${origin}`)
  }
  return (url) => {
    const origin = originOf(url)
    return !!origin && (origins.includes(origin) || origin === originOf(absolute(baseUrl)))
  }
}

/**
 * Returns the origin of an HTTP URL, or undefined. React Native resolves and normalizes no URL, and reads none into its parts: so
 * whatever two readers could read differently has no origin here, such as a name, a backslash or a space before the path.
 */
export function originOf(url: string): string | undefined {
  const origin = /^https?:\/\/(\[[\da-f:.]+\]|[\w.-]+)(:\d+)?(?=[/?#]|$)/i.exec(url)?.[0].toLowerCase()
  return origin?.replace(/^(http:.*):80$|^(https:.*):443$/, '$1$2')
}

/** In the normal form of the URL standard where the runtime has it, as the URL of every request. */
function absolute(baseUrl: string): string {
  return new Request(`${baseUrl.replace(/\/$/, '')}/`).url
}
