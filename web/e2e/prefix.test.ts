import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, openPage } from './browser.ts'
import { startServer, type Server } from './server.ts'

const program = '/usr/sbin/nginx'
// As with the tests in Go: where CI runs, what .ci/debian-packages names has to be there.
const runs = existsSync(program) || process.env['CI'] === 'true'

let server: Server
let browser: Browser
let nginx: ChildProcess
let folder: string
let origin: string

/** The locations that docs/deploying.md shows for a prefix, before this server. */
async function documented(): Promise<string> {
  const page = await readFile(resolve(import.meta.dirname, '../../docs/deploying.md'), 'utf8')
  const block = /```nginx\n(location \/auth\/ \{[^`]*)```/.exec(page)?.[1]
  if (block === undefined) throw new Error('docs/deploying.md shows no prefix')
  return block.replaceAll('127.0.0.1:8000', new URL(server.url).host)
}

async function freePort(): Promise<number> {
  const socket = createServer().listen(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address() as AddressInfo
  await new Promise((done) => socket.close(done))
  return port
}

beforeAll(async () => {
  if (!runs) return
  server = await startServer({ LATCHKEY_TRUSTED_PROXIES: '127.0.0.1' })
  browser = await launchBrowser()
  folder = await mkdtemp(join(tmpdir(), 'latchkey-nginx-'))
  await chmod(folder, 0o711)
  origin = `http://127.0.0.1:${await freePort()}`
  const config = join(folder, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  )
  await writeFile(
    config,
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events {}
     http { access_log off; ${temporary.join(' ')} server { listen ${new URL(origin).host}; ${await documented()} } }`,
  )
  nginx = spawn(program, ['-c', config, '-p', folder], { stdio: 'inherit' })
})
afterAll(async () => {
  if (!runs) return
  nginx.kill('SIGKILL')
  await browser.close()
  await server.stop()
  await rm(folder, { recursive: true, force: true })
})

test.runIf(runs)('the page authorizes and asks under a prefix', async () => {
  await expect
    .poll(() =>
      fetch(`${origin}/auth/healthz`).then(
        (answer) => answer.status,
        () => 0,
      ),
    )
    .toBe(200)
  const registered = await fetch(`${origin}/auth/api/users/`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email: 'ada@example.com', username: 'ada', password: 'correct horse battery staple' }),
  })
  expect(registered.status).toBe(201)

  const { page } = await openPage(browser, { origins: [origin] })
  await page.goto(`${origin}/auth/`)
  expect(page.url()).toBe(`${origin}/auth/docs`)
  await page.locator('.opblock').first().waitFor()
  await page.locator('.auth-wrapper .btn.authorize').click()
  const dialog = page.getByRole('dialog', { name: 'Authorize' })
  await dialog.getByLabel('Email').fill('ada@example.com')
  await dialog.getByLabel('Password').fill('correct horse battery staple')
  await dialog.getByRole('button', { name: 'Authorize' }).click()
  await page.getByText('Authorized as ada@example.com').waitFor()

  const operation = page.locator('#operations-users-GetCurrentUser')
  await operation.locator('.opblock-summary-control').click()
  const answered = page.waitForResponse(`${origin}/auth/api/users/me/`)
  await operation.getByRole('button', { name: 'Execute' }).click()
  const answer = await answered
  expect(answer.status()).toBe(200)
  expect(await answer.json()).toMatchObject({ email: 'ada@example.com' })
})
