import type { TestProject } from 'vitest/node'

import { startServer } from '../../e2e/server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    url: string
    /** Of a server whose tokens live for a second. */
    briefUrl: string
  }
}

/** Starts the real server once for all tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startServer()
  const brief = await startServer({ LATCHKEY_ACCESS_TOKEN_TTL: '1s' })
  project.provide('url', server.url)
  project.provide('briefUrl', brief.url)
  return async () => {
    await Promise.all([server.stop(), brief.stop()])
  }
}
