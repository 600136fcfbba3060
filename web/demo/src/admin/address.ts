/** What the address asks for, such as `#/users?role=support`. Without anything it asks for the users. */
export interface Address {
  /** Such as `/users/0190…`. */
  readonly path: string
  readonly query: URLSearchParams
}

export function addressOf(hash: string): Address {
  const [path, query = ''] = hash.slice(1).split('?')
  return { path: path === undefined || path === '' ? '/users' : path, query: new URLSearchParams(query) }
}

/** Returns the address of a view, without parts of the query that are empty. */
export function hashOf(path: `/${string}`, query: Readonly<Record<string, string | undefined>> = {}): `#/${string}` {
  const parts = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  const text = new URLSearchParams(parts as [string, string][]).toString()
  return `#${path}${text === '' ? '' : `?${text}`}`
}
