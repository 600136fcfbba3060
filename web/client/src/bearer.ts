import type { paths } from './api.ts'
import type { MethodOf } from './contract.ts'

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

/** The operations that get the session's token, as `METHOD path`. */
const asked = /^(GET \/api\/users\/$|[A-Z]+ \/api\/(events|users\/(me|logout|invitations|\{user_id\}))\/[\w{}/-]*$)/

/**
 * The compiler holds them to be those of the contract that ask for one: each such operation is
 * among them, and no other is.
 */
type Places = 'events' | `users/${'me' | 'logout' | 'invitations' | '{user_id}'}`
type IsAsked = 'GET /api/users/' | `${string} /api/${Places}/${string}`
type Operations = { [P in keyof paths]: `${Uppercase<MethodOf<P>>} ${P}` }[keyof paths]
export const isComplete: [Asked] extends [IsAsked] ? true : never = true
export const isExact: [Extract<Operations, IsAsked>] extends [Asked] ? true : never = true

/**
 * Reports whether a request may carry the session's token: its operation, such as `GET
 * /api/users/me/`, needs a token, and its URL is below the client's own `baseUrl`, whatever base a
 * single call names.
 */
export function takesToken(baseUrl: string, operation: string, { url }: Request): boolean {
  // With the slash, no longer host and no longer path begins like it.
  return asked.test(operation) && url.startsWith(absolute(baseUrl))
}

/**
 * Returns a function that reports whether a URL is at one of the origins, or at that of `baseUrl`.
 *
 * @throws TypeError if one of them is not an origin as `location.origin` has it.
 */
export function atOrigins(origins: readonly string[], baseUrl: string): (url: string) => boolean {
  for (const origin of origins) {
    if (originOf(origin) !== origin) throw new TypeError(`not an origin: ${origin}`)
  }
  return (url) => {
    const origin = originOf(url)
    return !!origin && (origins.includes(origin) || origin === originOf(absolute(baseUrl)))
  }
}

/**
 * Returns the origin of an HTTP URL in the normal form of the URL standard. The URL of a request
 * has this form, except in React Native. A URL that isn't normal, or that two parsers could read
 * differently, has no origin here: one with a user, a password, a backslash, a space, a capital
 * letter, or the default port of its scheme.
 */
export function originOf(url: string): string | undefined {
  return /^https?:\/\/(\[[\da-f:.]+\]|[a-z\d_.-]+)(:(?!80\b|443\b)\d+)?(?=[/?#]|$)/.exec(url)?.[0]
}

/** Returns the base URL as the runtime writes the URL of a request, with a slash at its end. */
function absolute(baseUrl: string): string {
  return new Request(`${baseUrl.replace(/\/$/, '')}/`).url
}

/**
 * Returns a `baseUrl` that is empty or a path below the page's own origin. A `<base>` of the page,
 * which may be somebody else's, would lead elsewhere.
 */
export function belowPage(baseUrl: string): string {
  const own = originOf((globalThis as { location?: { origin?: string } }).location?.origin ?? '') ?? ''
  return baseUrl.replace(/^(?=\/(?!\/)|$)/, own)
}
