import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build, type BuildOptions } from 'esbuild'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, openPage } from './browser.ts'
import { startServer, type Server } from './server.ts'

const web = resolve(import.meta.dirname, '..')
const documentedServer = 'http://127.0.0.1:8000'

let server: Server
let browser: Browser
let origin: string
let close: () => void
const folder = mkdtempSync(join(tmpdir(), 'latchkey-react-'))

/** Writes the app of docs/react.md, and beside it what renders it on a server and takes that over in the browser. */
function writeApp(): void {
  const page = readFileSync(resolve(web, '..', 'docs', 'react.md'), 'utf8')
  for (const [, code = '', name = ''] of page.matchAll(/```tsx?\n(\/\/ src\/(\S+)\n.*?)```/gs)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), code.replace(documentedServer, server.url))
  }
  const app = `import { AuthProvider } from '@latchkey-auth/client/react'
    import { App } from './App'
    import { auth } from './auth'
    const app = <AuthProvider client={auth}><App /></AuthProvider>\n`
  const render = `import { renderToString } from 'react-dom/server'\n${app} export const html = renderToString(app)`
  writeFileSync(join(folder, 'server.tsx'), render)
  const hydrate = `import { hydrateRoot } from 'react-dom/client'\n${app} hydrateRoot(document.getElementById('root')!, app)`
  writeFileSync(join(folder, 'hydrate.tsx'), hydrate)
}

async function bundle(name: string, options: BuildOptions = {}): Promise<string> {
  const outfile = join(folder, 'out', `${name}.mjs`)
  await build({
    entryPoints: [join(folder, `${name}.tsx`)],
    nodePaths: [join(web, 'node_modules')],
    jsx: 'automatic',
    bundle: true,
    format: 'esm',
    outfile,
    ...options,
  })
  return outfile
}

beforeAll(async () => {
  const files = new Map<string, string>()
  const site = createServer((request, response) => {
    const isScript = request.url?.endsWith('.js') ?? false
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html; charset=utf-8')
    response.end(files.get(request.url ?? ''))
  }).listen(0, '127.0.0.1')
  await once(site, 'listening')
  close = () => site.close()
  origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  server = await startServer({ LATCHKEY_CORS_ORIGINS: origin })
  writeApp()
  const node: BuildOptions = { platform: 'node', format: 'cjs', outfile: join(folder, 'out', 'server.cjs') }
  await bundle('server', node)
  const rendered = (await import(pathToFileURL(join(folder, 'out', 'server.cjs')).href)) as {
    default: { html: string }
  }
  const shell = (html: string, script: string) =>
    `<!doctype html><title>App</title><link rel="icon" href="data:," /><div id="root">${html}</div>
    <script type="module" src="${script}"></script>`
  files.set('/', shell('', '/main.js'))
  files.set('/main.js', readFileSync(await bundle('main'), 'utf8'))
  files.set('/rendered', shell(rendered.default.html, '/hydrate.js'))
  files.set('/hydrate.js', readFileSync(await bundle('hydrate'), 'utf8'))
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser.close()
  close()
  await server.stop()
  rmSync(folder, { recursive: true })
})

/** Registers a user as docs/react.md does, and returns what they log in with. */
async function register(username: string) {
  const user = { email: `${username}@example.com`, username, password: 'correct horse battery staple' }
  const headers = { 'Content-Type': 'application/json' }
  const answer = await fetch(`${server.url}/api/users/`, { method: 'POST', headers, body: JSON.stringify(user) })
  expect(answer.status).toBe(201)
  return user
}

async function logIn(page: Page, { email, password }: { email: string; password: string }): Promise<void> {
  await page.getByLabel('Email').fill(email)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
}

const greets = (page: Page, name: string) => page.getByRole('heading', { name: `Hello ${name}` }).waitFor()
const asks = (page: Page) => page.getByRole('button', { name: 'Log in' }).waitFor()

test('the documented app shows who logs in, in each tab, until one of them logs out', async () => {
  const ada = await register('ada')
  const bob = await register('bob')
  const errors = [expect.stringContaining('401')]
  const { page: first } = await openPage(browser, { origins: [origin, server.url], errors })
  let asked = 0
  first.context().on('request', (request) => {
    if (request.method() === 'GET' && request.url().endsWith('/me/')) asked++
  })
  await first.goto(origin)
  await logIn(first, { ...ada, password: 'not this one' })
  await first.getByText('Wrong email or password.').waitFor()
  await logIn(first, ada)
  await greets(first, 'ada')

  const second = await first.context().newPage()
  await second.goto(origin)
  await greets(second, 'ada')
  await first.reload()
  await greets(first, 'ada')
  // The other tab and the next page have the user from the storage.
  expect(asked).toBe(1)
  await first.evaluate(() => {
    const session = JSON.parse(localStorage.getItem('latchkey') ?? '') as object
    localStorage.setItem('latchkey', JSON.stringify({ ...session, user: undefined }))
  })
  await first.reload()
  await greets(first, 'ada')
  // A page without the user asks once, also in StrictMode.
  expect(asked).toBe(2)

  await second.getByRole('button', { name: 'Log out' }).click()
  await asks(second)
  await asks(first)
  await logIn(second, bob)
  await greets(second, 'bob')
  await greets(first, 'bob')

  // What other clients of the browser do with its storage is noticed, too.
  await second.evaluate(() => {
    localStorage.clear()
  })
  await asks(first)
})

test('what a server has rendered is taken over by the browser without a difference, whoever is logged in', async () => {
  const { page } = await openPage(browser, { origins: [origin, server.url] })
  const eve = await register('eve')
  const answer = await page.request.get(`${origin}/rendered`)
  expect(await answer.text()).toContain('Loading …')
  await page.goto(`${origin}/rendered`)
  await logIn(page, eve)
  await greets(page, 'eve')
  // A difference would be an error in the console.
  await page.reload()
  await greets(page, 'eve')
})
