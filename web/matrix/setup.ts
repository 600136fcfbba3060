import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'

import type { TestProject } from 'vitest/node'

import { startServer } from '../e2e/server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    url: string
    /** Of a server whose access tokens live for 15 seconds: 5 until they are refreshed. */
    shortUrl: string
  }
}

const client = resolve(import.meta.dirname, '..', 'client')
const work = resolve(import.meta.dirname, '.work')
const installed = resolve(import.meta.dirname, 'node_modules', '@latchkey-auth', 'client')

/**
 * Packs the client as it was built, and installs what was packed where all fixtures resolve it.
 * Then starts the servers.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work)
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', work], {
    cwd: client,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const tarball = readdirSync(work).find((name) => name.endsWith('.tgz')) ?? ''
  rmSync(installed, { recursive: true, force: true })
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', join(work, tarball), '--strip-components', '1', '-C', installed])

  const [server, short] = await Promise.all([startServer(), startServer({ LATCHKEY_ACCESS_TOKEN_TTL: '15s' })])
  project.provide('url', server.url)
  project.provide('shortUrl', short.url)
  return async () => {
    await Promise.all([server.stop(), short.stop()])
  }
}
