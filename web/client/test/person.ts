import { randomUUID } from 'node:crypto'

import { inject } from 'vitest'

import { createClient, type AuthChange, type Client, type ClientOptions, type Registration } from '../dist/index.js'

/** A registration that nobody has used. */
export function someone(): Registration {
  const name = `ada-${randomUUID().slice(0, 18)}`
  return { email: `${name}@example.com`, username: name, password: 'correct horse battery staple' }
}

/** A client of the tests' server, and what it has told its listener. */
export function listening(options: Partial<ClientOptions> = {}): { auth: Client; changes: AuthChange[] } {
  return listeningTo(createClient({ baseUrl: inject('url'), ...options }))
}

/** A client, and what it tells its listener from now on. */
export function listeningTo(auth: Client): { auth: Client; changes: AuthChange[] } {
  const changes: AuthChange[] = []
  auth.onAuthChange((change) => changes.push(change))
  return { auth, changes }
}

/** A session as it is kept, with tokens that no server knows. */
export function kept(change: object = {}): string {
  return JSON.stringify({
    access_token: 'e30.e30.e30',
    token_type: 'bearer',
    expires_in: 900,
    refresh_token: 'lkr_old',
    refresh_expires_in: 2_592_000,
    since: Date.now(),
    login: 1,
    ...change,
  })
}
