import type { TestProject } from 'vitest/node'

import { startServer } from '../../e2e/server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    url: string
    /** Of a server whose access tokens live for a second. */
    shortUrl: string
    /** Of a server whose refresh tokens live for two seconds, too. */
    briefUrl: string
  }
}

/** Starts the real server once for all tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // All tests register from one address, more often than an hour allows. One server has limits.
  const limits = { LATCHKEY_RATE_LIMITS: 'off' }
  const [server, short, brief] = await Promise.all([
    startServer(limits),
    startServer({ ...limits, LATCHKEY_ACCESS_TOKEN_TTL: '1s' }),
    startServer({
      LATCHKEY_ACCESS_TOKEN_TTL: '1s',
      LATCHKEY_REFRESH_TOKEN_TTL: '2s',
      LATCHKEY_REFRESH_REUSE_WINDOW: '1s',
    }),
  ])
  project.provide('url', server.url)
  project.provide('shortUrl', short.url)
  project.provide('briefUrl', brief.url)
  return async () => {
    await Promise.all([server.stop(), short.stop(), brief.stop()])
  }
}
