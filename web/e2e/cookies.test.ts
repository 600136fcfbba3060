import { createServer, request as forward, type Server as Site } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, openPage } from './browser.ts'
import { startServer, type Server } from './server.ts'

const password = 'correct horse battery staple'
const name = 'latchkey-refresh'

let server: Server
let browser: Browser
const sites: Site[] = []
/** Where the service is found: a proxy that serves pages too, and loses answers. */
let own: string
/** An origin that is let in, one of the same site that isn't, and one of another site. */
let letIn: string
let sibling: string
let foreign: string
/** Has the proxy drop the connection of each refresh, once the server has answered it. */
let isLosing = false
let lost = 0

async function listen(site: Site, address = '127.0.0.1'): Promise<string> {
  sites.push(site)
  await once(site.listen(0, address), 'listening')
  return `http://${address}:${(site.address() as AddressInfo).port}`
}

const page = '<!doctype html><link rel="icon" href="data:," /><title>A page</title><iframe name="sink"></iframe>'
const pages = () =>
  createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html')
    response.end(page)
  })

beforeAll(async () => {
  own = await listen(
    createServer((request, response) => {
      if (request.method === 'GET' && !request.url?.startsWith('/api/users/me')) {
        response.setHeader('Content-Type', 'text/html')
        response.end(page)
        return
      }
      const { method, url, headers } = request
      const sent = forward(`${server.url}${url ?? ''}`, { method, headers }, (answer) => {
        if (isLosing && url?.endsWith('/login/token/')) {
          lost++
          answer.resume().once('end', () => response.destroy())
          return
        }
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      request.pipe(sent)
    }),
  )
  letIn = await listen(pages())
  sibling = await listen(pages())
  foreign = await listen(pages(), '127.0.0.2')
  server = await startServer({
    LATCHKEY_SESSION_COOKIES: 'on',
    LATCHKEY_PUBLIC_URL: own,
    LATCHKEY_CORS_ORIGINS: letIn,
  })
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser.close()
  await server.stop()
  for (const site of sites) site.close()
})

interface Answer {
  status: number
  body: Record<string, unknown>
}

/** Posts as the client does, with the browser's cookies. An answer that gets lost is 0. */
const post = (on: Page, path: string, fields: Record<string, string>, bearer = '') =>
  on.evaluate(
    async ([url, fields, bearer]): Promise<Answer> => {
      const headers = bearer === '' ? {} : { Authorization: `Bearer ${bearer}` }
      const body = new URLSearchParams(fields)
      const request = { method: 'POST', credentials: 'include', headers, body } as const
      const answer = await fetch(url, request).catch(() => undefined)
      const text = (await answer?.text()) ?? ''
      return { status: answer?.status ?? 0, body: (text === '' ? {} : JSON.parse(text)) as Answer['body'] }
    },
    [`${own}${path}`, fields, bearer] as const,
  )
const refresh = (on: Page) => post(on, '/api/users/login/token/', { grant_type: 'refresh_token' })

let users = 0

/** Registers a user and logs it in by the cookie, on a page of the origin. */
async function logIn(on: Page): Promise<{ access: string; answer: Answer }> {
  const username = `ada${++users}`
  const email = `${username}@example.com`
  const registered = await fetch(`${server.url}/api/users/`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ email, username, password }),
  })
  expect(registered.status).toBe(201)
  const answer = await post(on, '/api/users/login/token/', { username: email, password, token_delivery: 'cookie' })
  expect(answer.status).toBe(200)
  return { access: answer.body['access_token'] as string, answer }
}

const cookieOf = async (context: BrowserContext) => (await context.cookies()).filter((cookie) => cookie.name === name)

test.each([
  ['the service', () => own],
  ['an origin that is let in', () => letIn],
])('no script on a page of %s sees the refresh token, and the session outlives the page', async (_, origin) => {
  const { page } = await openPage(browser, { origins: [own, letIn] })
  await page.goto(origin())
  const { answer } = await logIn(page)
  expect(Object.keys(answer.body).sort()).toEqual(['access_token', 'expires_in', 'token_type'])
  const cookies = await cookieOf(page.context())
  expect(cookies).toMatchObject([{ path: '/api/users/login/', httpOnly: true, sameSite: 'Strict' }])

  // Also where the cookie's path matches, a script sees nothing.
  for (const path of ['/', '/api/users/login/']) {
    await page.goto(`${origin()}${path}`)
    expect(await page.evaluate(() => document.cookie)).toBe('')
    expect(await page.evaluate(() => Object.keys(localStorage).length + Object.keys(sessionStorage).length)).toBe(0)
  }
  const refreshed = await refresh(page)
  expect(refreshed.status).toBe(200)
  expect(JSON.stringify(refreshed.body)).not.toContain('lkr_')
  const renewed = await cookieOf(page.context())
  expect(renewed).toHaveLength(1)
  expect(renewed[0]?.value).not.toBe(cookies[0]?.value)
})

/** Posts a refresh in each way that a page has, and answers once all are answered. */
async function postEachWay(on: Page): Promise<number[]> {
  const url = `${own}/api/users/login/token/`
  const statuses: number[] = []
  on.on('response', (response) => {
    if (response.url() === url) statuses.push(response.status())
  })
  await on.evaluate(async (url) => {
    const body = new URLSearchParams({ grant_type: 'refresh_token' })
    await fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include', body })
    const form = document.createElement('form')
    Object.assign(form, { method: 'post', action: url, target: 'sink' })
    form.append(Object.assign(document.createElement('input'), { name: 'grant_type', value: 'refresh_token' }))
    document.body.append(form)
    const loaded = new Promise((done) => {
      document.querySelector('iframe')?.addEventListener('load', done, { once: true })
    })
    form.submit()
    await loaded
  }, url)
  await expect.poll(() => statuses.length).toBe(2)
  return statuses
}

test('what a page of another origin posts is refused, and the session goes on', async () => {
  const { page } = await openPage(browser, {
    origins: [own, sibling, foreign],
    errors: expect.any(Array),
  })
  await page.goto(own)
  await logIn(page)
  const before = await cookieOf(page.context())

  // The browser sends the cookie for a page of the same site, and for one of another site it
  // doesn't.
  for (const [origin, code] of [
    [sibling, 'origin_not_allowed'],
    [foreign, 'cross_origin'],
  ] as const) {
    await page.goto(origin)
    const from = server.output().length
    expect(await postEachWay(page)).toEqual([403, 403])
    // A line of the log may come after the response.
    const lines = () => server.output().slice(from).split('\n')
    await expect.poll(() => lines().filter((line) => line.includes(`code=${code}`))).toHaveLength(2)
    expect(await cookieOf(page.context())).toEqual(before)
  }
  await page.goto(own)
  expect((await refresh(page)).status).toBe(200)
  expect(server.output()).not.toContain(before[0]?.value)
})

test('two tabs that refresh at once stay logged in', async () => {
  const { page: first } = await openPage(browser, { origins: [own, letIn] })
  await first.goto(letIn)
  const second = await first.context().newPage()
  await second.goto(own)
  await logIn(first)
  for (let round = 0; round < 10; round++) {
    const answers = await Promise.all([refresh(first), refresh(second)])
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
  }
  expect(await cookieOf(first.context())).toHaveLength(1)
})

test('an answer that gets lost logs nobody out', async () => {
  const { page } = await openPage(browser, { origins: [own, letIn], errors: expect.any(Array) })
  await page.goto(letIn)
  await logIn(page)
  const before = await cookieOf(page.context())
  // A browser repeats the request by itself, where the connection was used before.
  isLosing = true
  expect((await refresh(page)).status).toBe(0)
  isLosing = false
  expect(lost).toBeGreaterThan(0)
  expect(await cookieOf(page.context())).toEqual(before)
  expect((await refresh(page)).status).toBe(200)
  expect((await refresh(page)).status).toBe(200)
})

test.each([
  ['the service', () => own],
  ['an origin that is let in', () => letIn],
])('a logout on a page of %s clears the cookie and ends the session', async (_, origin) => {
  const { page } = await openPage(browser, { origins: [own, letIn], errors: expect.any(Array) })
  await page.goto(origin())
  const { access } = await logIn(page)
  const [before] = await cookieOf(page.context())
  expect((await post(page, '/api/users/logout/', {}, access)).status).toBe(204)
  expect(await cookieOf(page.context())).toEqual([])
  expect(await refresh(page)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })

  // A copy of the cookie is worth nothing either.
  if (before === undefined) throw new Error('there was no cookie')
  await page.context().addCookies([before])
  expect(await refresh(page)).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  expect(await cookieOf(page.context())).toEqual([])
})
