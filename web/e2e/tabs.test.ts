import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { Client } from '@latchkey-auth/client'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, openPage } from './browser.ts'
import { startServer, type Server } from './server.ts'

declare global {
  interface Window {
    auth: Client
    /** What the listener was told since the page was loaded. */
    changes: string[]
  }
}

/** An application of an origin of its own, whose tabs share a session. */
const application = (api: string) => `import { createClient, webStorage } from '@latchkey-auth/client'
window.auth = createClient({ baseUrl: ${JSON.stringify(api)}, storage: webStorage(localStorage) })
window.changes = []
window.auth.onAuthChange((change) => window.changes.push(change.type))`

let server: Server
let browser: Browser
let origin: string
let close: () => void
beforeAll(async () => {
  let script = ''
  const site = createServer((request, response) => {
    const isScript = request.url === '/app.js'
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? script : '<!doctype html><link rel="icon" href="data:," /><script src="/app.js"></script>')
  }).listen(0, '127.0.0.1')
  await once(site, 'listening')
  close = () => site.close()
  origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  server = await startServer({ LATCHKEY_CORS_ORIGINS: origin })
  const bundle = await build({
    stdin: { contents: application(server.url), resolveDir: join(import.meta.dirname, '..', 'client') },
    bundle: true,
    format: 'iife',
    write: false,
  })
  script = bundle.outputFiles[0]?.text ?? ''
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser.close()
  close()
  await server.stop()
})

/** Asks twenty times at once, when the access token has just expired by the tabs' clock. */
const askAtOnce = (page: Page) =>
  page.evaluate(() => Promise.all(Array.from({ length: 20 }, async () => (await window.auth.me()).ok)))

test('two tabs whose access token expires make one refresh, and log nobody out', async () => {
  const { page: first } = await openPage(browser, { origins: [origin, server.url] })
  await first.goto(origin)
  const second = await first.context().newPage()
  await second.goto(origin)
  const name = 'ada'
  await first.evaluate(
    (username) =>
      window.auth.register({ email: `${username}@example.com`, username, password: 'correct horse battery staple' }),
    name,
  )
  let refreshes = 0
  first.context().on('request', (request) => {
    if (request.method() === 'POST' && request.url().endsWith('/login/token/')) refreshes++
  })
  const rounds = 5
  for (let round = 1; round <= rounds; round++) {
    await first.evaluate(() => {
      const session = JSON.parse(localStorage.getItem('latchkey') ?? '') as object
      localStorage.setItem('latchkey', JSON.stringify({ ...session, expires_in: 1 }))
    })
    const answers = await Promise.all([askAtOnce(first), askAtOnce(second)])
    expect(answers.flat()).toEqual(Array.from({ length: 40 }, () => true))
    expect(refreshes).toBe(round)
  }
  for (const page of [first, second]) expect(await page.evaluate(() => window.changes)).toEqual(['signed_in'])

  // A logout in one is one in the other, and at the server.
  const session = await first.evaluate(() => localStorage.getItem('latchkey') ?? '')
  await second.evaluate(() => window.auth.logout())
  await expect.poll(() => first.evaluate(() => window.changes)).toEqual(['signed_in', 'signed_out'])
  const { access_token } = JSON.parse(session) as { access_token: string }
  const me = await fetch(`${server.url}/api/users/me/`, { headers: { Authorization: `Bearer ${access_token}` } })
  expect(me.status).toBe(401)
})
