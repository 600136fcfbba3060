import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { STATUS_CODES } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { preview } from 'vite'
import { launchBrowser, openPage } from './browser.ts'
import { startApi, type DemoApi } from './demo-api.ts'
import { startServer, type Server } from './server.ts'

const web = resolve(import.meta.dirname, '..')
const installed = join(web, 'node_modules')
const run = promisify(execFile)

/** The demo, served from an origin of its own. */
export interface DemoSite {
  /** What `LATCHKEY_CORS_ORIGINS` has to name. It serves nothing before `build`. */
  readonly origin: string
  /** Builds the demo for a server and a notes' API. */
  build(server: string, notes: string): Promise<void>
  stop(): Promise<void>
}

/**
 * Listens on a free port first and is built later: the server has to know the page's origin when it
 * starts, and the page has to know the server's URL when it is built.
 */
export async function openDemoSite(): Promise<DemoSite> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-demo-'))
  const demo = await copyWithPackedClient(folder)
  const outDir = join(folder, 'dist')
  await mkdir(outDir)
  const server = await preview({
    root: demo,
    configFile: join(demo, 'vite.config.ts'),
    logLevel: 'warn',
    build: { outDir },
    preview: { port: 0 },
  })
  const address = server.httpServer.address()
  if (address === null || typeof address === 'string') throw new Error('the preview listens on no port')
  return {
    origin: `http://127.0.0.1:${address.port}`,
    // A process of its own: the test runner's NODE_ENV would build another page than the one that
    // people get.
    build: async (server, notes) => {
      const env = { PATH: process.env['PATH'], VITE_LATCHKEY_URL: server, VITE_NOTES_URL: notes }
      const vite = join(installed, 'vite', 'bin', 'vite.js')
      await run(process.execPath, [vite, 'build', '--outDir', outDir, '--emptyOutDir'], { cwd: demo, env })
    },
    stop: async () => {
      await server.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/**
 * Copies the demo to a folder where it finds the client as an installed package: packed, with only
 * the files of the package. In the workspace it is a link to the client's folder, where all of its
 * files are found. The client has to be built.
 */
async function copyWithPackedClient(folder: string): Promise<string> {
  const demo = join(folder, 'demo')
  const modules = join(demo, 'node_modules')
  const client = join(modules, '@latchkey-auth', 'client')
  await mkdir(client, { recursive: true })
  for (const file of await readdir(join(web, 'demo'))) {
    if (!['node_modules', 'dist'].includes(file))
      await cp(join(web, 'demo', file), join(demo, file), { recursive: true })
  }
  await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], { cwd: join(web, 'client') })
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz')) ?? ''
  await run('tar', ['-xzf', join(folder, tarball), '-C', client, '--strip-components', '1'])
  for (const name of ['vite', 'openapi-fetch']) await symlink(join(installed, name), join(modules, name))
  return demo
}

/** A demo, the server and the API that it calls, each on an origin of its own, and a browser to visit it with. */
export interface Stage {
  readonly site: DemoSite
  readonly server: Server
  readonly api: DemoApi
  readonly browser: Browser
}

/** Starts a server with these settings, the notes' API, a demo that calls both, and a browser. */
export async function openStage(env: Record<string, string> = {}): Promise<Stage> {
  const site = await openDemoSite()
  let server: Server | undefined
  let api: DemoApi | undefined
  try {
    const page = { LATCHKEY_CORS_ORIGINS: site.origin, LATCHKEY_MAIL_LINK_PATH: `${site.origin}/account` }
    server = await startServer({ ...env, ...page })
    api = await startApi(site.origin, server.url)
    await site.build(server.url, api.url)
    return { site, server, api, browser: await launchBrowser() }
  } catch (error) {
    await Promise.all([site.stop(), api?.stop(), server?.stop()])
    throw error
  }
}

export async function closeStage({ site, server, api, browser }: Stage): Promise<void> {
  await browser.close()
  await Promise.all([site.stop(), api.stop(), server.stop()])
}

/**
 * An answer in this test that a browser's console shows as an error; 0 for no answer. The path is
 * the server's, or a whole URL.
 */
export type Failure = readonly [status: number, path: string]

/** Opens the demo. The test fails if an answer fails that isn't named here, or if one that is named doesn't come. */
export async function visit(
  { site, server, api, browser }: Stage,
  failures: readonly Failure[] = [],
  options: BrowserContextOptions = {},
): Promise<Page> {
  const errors = failures.map(([status, path]) => {
    const why = `the server responded with a status of ${status} (${STATUS_CODES[status] ?? ''})`
    return `Failed to load resource: ${status === 0 ? 'net::ERR_CONNECTION_REFUSED' : why} (${new URL(path, server.url).href})`
  })
  const { page } = await openPage(browser, { ...options, origins: [site.origin, server.url, api.url], errors })
  await page.goto(site.origin)
  return page
}
