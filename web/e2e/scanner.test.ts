import { once } from 'node:events'
import {
  createServer,
  request as ask,
  type IncomingMessage,
  type Server as HttpServer,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, openPage } from './browser.ts'
import { startServer, type Server } from './server.ts'

// Scanners of mail open every link, run the scripts of the page behind it, fill its fields and
// press its buttons. Nothing that they do so may verify an address, open a session, change a
// password, or spoil a code for its owner.

/**
 * Each round sends a link's token nine times to each operation. A request has five tries: if these
 * counted, none were left.
 */
const rounds = 2

const password = 'correct horse battery staple'

/**
 * The worst page of an application: it sends the token of the link to each operation that takes a
 * code, when it is loaded and with each button, without the request of the browser that asked. One
 * button sends what was typed.
 */
const page = `<!doctype html>
<html lang="en">
<title>Account</title>
<link rel="icon" href="data:,">
<label>Code <input id="code"></label>
<label>New password <input id="password" type="password"></label>
<button>Log in</button> <button>Verify</button> <button>Set the password</button> <button>Not me</button>
<a href="#nothing">Unsubscribe</a>
<script src="account.js"></script>
</html>`

const script = `
const token = location.hash.split('=')[1]
const send = (path, body) => fetch('/api/users/' + path, {
  method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
})
const sendAll = (code) => {
  const typed = document.querySelector('#password').value
  const new_password = typed === '' ? {} : { new_password: typed }
  return Promise.all([
    send('me/email/verification/confirm/', { code }),
    send('login/continue/', { factor: 'email_code', code }),
    send('login/continue/', { request: code, factor: 'email_code', code }),
    send('password-resets/confirm/', { code, ...new_password }),
    send('password-resets/confirm/', { request: code, code, ...new_password }),
  ])
}
const run = async (...codes) => {
  document.body.removeAttribute('data-done')
  for (const code of codes) await sendAll(code)
  document.body.setAttribute('data-done', '')
}
for (const button of document.querySelectorAll('button')) {
  button.addEventListener('click', () => run(token, document.querySelector('#code').value))
}
run(token)
`

let server: Server
let browser: Browser
let site: HttpServer
let origin: string

/** Serves the page, and passes everything else on to the server: both have one origin, as behind a proxy. */
function serve(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (incoming.url === '/account') outgoing.setHeader('Content-Type', 'text/html').end(page)
  else if (incoming.url === '/account.js') outgoing.setHeader('Content-Type', 'text/javascript').end(script)
  else {
    const { method, headers } = incoming
    const passed = ask(`${server.url}${incoming.url ?? ''}`, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    incoming.pipe(passed)
  }
}

beforeAll(async () => {
  site = createServer(serve).listen(0, '127.0.0.1')
  await once(site, 'listening')
  origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  server = await startServer({ LATCHKEY_PUBLIC_URL: origin }, ['--dev'])
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser.close()
  site.close()
  await server.stop()
})

interface Answer {
  status: number
  body: Record<string, unknown>
}

async function post(path: string, body: unknown, token?: string): Promise<Answer> {
  const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` }
  const answer = await fetch(`${server.url}/api/users/${path}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...authorization },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
}

async function get(path: string, token: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${server.url}/api/users/${path}`, { headers: { Authorization: `Bearer ${token}` } })
  expect(answer.status).toBe(200)
  return (await answer.json()) as Record<string, unknown>
}

async function logIn(email: string, secret: string): Promise<number> {
  const body = new URLSearchParams({ username: email, password: secret })
  return (await fetch(`${server.url}/api/users/login/token/`, { method: 'POST', body })).status
}

interface Mail {
  name: string
  kind: string
  to: string
  code: string
  link: string
}

async function mailsTo(email: string): Promise<Mail[]> {
  const answer = await fetch(`${server.url}/dev/mails.json`)
  const { mails } = (await answer.json()) as { mails: Mail[] }
  return mails.filter((mail) => mail.to === email)
}

/** Registers somebody who asks for each kind of code and waits for the mails. */
async function account(name: string) {
  const email = `${name}@example.com`
  const registered = await post('', { email, username: name, password })
  expect(registered.status).toBe(201)
  const token = (registered.body['token'] as { access_token: string }).access_token
  const asked = {
    verify_email: await post('me/email/verification/', undefined, token),
    login_code: await post('login/code/', { email }),
    reset_password: await post('password-resets/', { email }),
  }
  const kinds = Object.keys(asked)
  await expect.poll(() => mailsTo(email).then((mails) => mails.length), { timeout: 15_000 }).toBe(kinds.length)
  const mails = Object.fromEntries((await mailsTo(email)).map((mail) => [mail.kind, mail]))
  const code = (kind: keyof typeof asked) => ({ request: asked[kind].body['request'], code: mails[kind]?.code })
  return { email, token, mails: Object.values(mails), code }
}

/** Opens all links of the mails, and does on each page all that can be done. Answers how each request was answered. */
async function scan(mails: readonly Mail[], typed: { text: string; password: string }): Promise<Set<number>> {
  const { page: tab } = await openPage(browser, { origins: [origin, server.url], errors: expect.any(Array) })
  const statuses = new Set<number>()
  tab.on('response', (answer) => {
    if (answer.url().startsWith(`${origin}/api/`)) statuses.add(answer.status())
  })
  for (const mail of mails) {
    // As the mail itself has it, and not as the page shows it.
    await tab.goto(`${server.url}/dev/mails/${mail.name}.html`)
    const links = await tab.locator('a').evaluateAll((all) => all.map((a) => (a as HTMLAnchorElement).href))
    expect(links).toEqual([mail.link])
    for (const link of links) {
      for (let round = 0; round < rounds; round++) {
        await tab.goto('about:blank')
        await tab.goto(link)
        await tab.locator('body[data-done]').waitFor()
        for (const input of await tab.locator('input:not([type=password])').all()) await input.fill(typed.text)
        for (const input of await tab.locator('input[type=password]').all()) await input.fill(typed.password)
        for (const button of await tab.locator('button').all()) {
          await button.click()
          await tab.locator('body[data-done]').waitFor()
        }
      }
    }
  }
  return statuses
}

test('the page of the mails shows them, and runs nothing of theirs', async () => {
  const { mails } = await account('bob')
  const { page: tab } = await openPage(browser, { origins: [server.url] })
  await tab.goto(`${server.url}/dev/mails/`)
  const mail = mails.find(({ kind }) => kind === 'login_code')
  if (mail === undefined) throw new Error('there is no mail')
  await tab.getByRole('link', { name: `Your code: ${mail.code}` }).click()
  expect(await tab.locator('#code').textContent()).toBe(mail.code)
  expect(await tab.locator('#link').getAttribute('href')).toBe(mail.link)
  expect(await tab.frameLocator('iframe').locator('strong').textContent()).toBe(mail.code)
  await tab.getByRole('link', { name: 'All mails' }).click()
  expect(tab.url()).toBe(`${server.url}/dev/mails/`)
})

test('a scanner gains nothing and spoils nothing', async () => {
  const { email, token, mails, code } = await account('ada')
  const statuses = await scan(mails, { text: '12345678', password: 'scan' })
  expect([...statuses].sort()).toEqual([401, 422])

  expect(await get('me/', token)).toMatchObject({ email, email_verified: false })
  expect(await get('me/sessions/', token)).toMatchObject({ sessions: [{ is_current: true }] })
  expect((await mailsTo(email)).length).toBe(mails.length) // none tells of another password

  const verified = await post('me/email/verification/confirm/', code('verify_email'), token)
  expect(verified.status).toBe(204)
  const loggedIn = await post('login/continue/', { factor: 'email_code', ...code('login_code') })
  expect(loggedIn.status).toBe(200)
  expect(await logIn(email, password)).toBe(200)
  const changed = await post('password-resets/confirm/', { new_password: 'violet anchor', ...code('reset_password') })
  expect(changed.status).toBe(204)
})

// A link for a forgotten password counts with a new password, wherever it was asked for. So a
// program that makes one up sets it, as docs/mail.md says. It is not logged in by that, and the
// owner is told.
test('a scanner that makes up a password sets it, is not logged in, and the owner is told', async () => {
  const { email, token, mails } = await account('eve')
  const statuses = await scan(mails, { text: '12345678', password: 'made up by a scanner' })
  expect([...statuses].sort()).toEqual([204, 401, 422])

  const me = await fetch(`${server.url}/api/users/me/`, { headers: { Authorization: `Bearer ${token}` } })
  expect(me.status).toBe(401)
  expect(await logIn(email, password)).toBe(401)
  await expect.poll(() => mailsTo(email).then((all) => all.map(({ kind }) => kind))).toContain('password_changed')
})
