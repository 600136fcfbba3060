import type { paths } from './api.ts'

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

/** The operations that get the session's token, which the compiler holds to be those of the contract that ask for one. */
const asked = { 'GET /api/users/me/': true } satisfies Record<Asked, true>

/**
 * Whether a request may carry the session's token: only to an operation that asks for one, and only below the client's
 * own `baseUrl`, whatever base a single call names.
 */
export function takesToken(baseUrl: string, request: Request, schemaPath: string): boolean {
  if (!(`${request.method} ${schemaPath}` in asked)) return false
  // Both are in the URL standard's normal form. With the slash, no longer host and no longer path begins like it.
  return request.url.startsWith(new URL(`${baseUrl.replace(/\/$/, '')}/`, page()?.href).href)
}

/** The page's own address, where there is a page. */
function page(): Location | undefined {
  return (globalThis as { location?: Location }).location
}
