import { createVerifier } from '@latchkey-auth/client/verify'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, inject, onTestFinished, test, vi } from 'vitest'

import { launchBrowser, openPage } from '../e2e/browser.ts'
import { folder, modules, register, repositoryFile, run, serve } from './fixture.ts'

const next = join(modules, 'next/dist/bin/next')

let app: string
let browser: Browser

beforeAll(async () => {
  app = folder('next', documentedFiles())
  await run(app, process.execPath, [next, 'build'])
  browser = await launchBrowser()
})

afterAll(() => browser.close())

/** The files that the page on Next shows: those blocks that begin with a path. */
function documentedFiles(): Record<string, string> {
  const blocks = [...repositoryFile('docs/nextjs.md').matchAll(/```tsx?\n\/\/ (\S+)\n(.*?)```/gs)]
  expect(blocks.length).toBeGreaterThan(5)
  return Object.fromEntries(blocks.map(([, path = '', text = '']) => [path, text]))
}

/** Starts the application with an API of its own, and logs a new user in at it. */
async function loggedIn(url: string): Promise<{ page: Page; username: string }> {
  const origin = await serve(app, (port) => [next, 'start', '-p', port, '-H', '127.0.0.1'], {
    LATCHKEY_URL: url,
    API_ORIGIN: await serveApi(url),
  })
  const { email, username, password } = await register(url)
  const { page } = await openPage(browser, { baseURL: origin, origins: [origin] })
  await page.goto('/account')
  await page.waitForURL('**/login')
  await page.getByLabel('Email').fill(email)
  await page.getByLabel('Password').fill('not it')
  await page.getByRole('button').click()
  await page.getByText('Wrong email or password.').waitFor()
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button').click()
  await page.getByText(`Logged in as ${username}`).waitFor()
  return { page, username }
}

/** An API that returns the caller's notes. */
async function serveApi(url: string): Promise<string> {
  const verify = createVerifier({ url, issuer: 'latchkey', audience: 'latchkey:auth' })
  const server = createServer((request, response) => {
    const token = request.headers.authorization?.replace('Bearer ', '') ?? ''
    verify(token).then(
      ({ username }) => response.end(JSON.stringify([`a note of ${username}`])),
      (error: unknown) => response.writeHead(401).end(String((error as Error).cause)),
    )
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The session's cookie, as the browser keeps it. */
async function sessionCookie(page: Page) {
  return (await page.context().cookies()).find(({ name }) => name === '__Host-latchkey')
}

/** Waits until the access token in the browser's cookie has expired. */
async function passTokenLife(page: Page): Promise<void> {
  const { value } = (await sessionCookie(page)) ?? { value: '' }
  const { since, expires_in } = JSON.parse(decodeURIComponent(value)) as { since: number; expires_in: number }
  await vi.waitUntil(() => Date.now() > since + expires_in * 1000, { timeout: 60_000, interval: 100 })
}

test('a person logs in, sees pages and the notes of one’s own API, and logs out', async () => {
  const { page, username } = await loggedIn(inject('url'))
  expect(await sessionCookie(page)).toMatchObject({ httpOnly: true, secure: true, sameSite: 'Lax', path: '/' })
  await page.goto('/notes')
  await page.getByText(`a note of ${username}`).waitFor()
  const notes = await page.evaluate(async () => (await fetch('/api/notes')).json() as unknown)
  expect(notes).toEqual([`a note of ${username}`])

  await page.goto('/account')
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.waitForURL('**/login')
  expect(await sessionCookie(page)).toBeUndefined()
  await page.goto('/account')
  await page.waitForURL('**/login')
})

test('past the access token’s life, requests at the same moment stay logged in, and so do prefetches', async () => {
  const { page, username } = await loggedIn(inject('shortUrl'))
  await passTokenLife(page)
  const texts = await page.evaluate(async () => {
    const paths = ['/account', '/notes', '/api/notes', '/', '/account', '/notes', '/api/notes', '/account']
    return Promise.all(paths.map(async (path) => (await fetch(path)).text()))
  })
  expect(texts.filter((text) => text.includes(username))).toHaveLength(7)

  // The page is static, and its links are prefetched, each through the proxy.
  const uncookied = await fetch(new URL('/', page.url()))
  expect(uncookied.headers.get('Cache-Control')).toContain('s-maxage')
  await passTokenLife(page)
  const answer = await page.goto('/', { waitUntil: 'networkidle' })
  expect(await answer?.headerValue('Set-Cookie')).toContain('__Host-latchkey=%7B')
  expect(await answer?.headerValue('Cache-Control')).toBe('private, no-store')
  await page.getByRole('link', { name: 'Account' }).click()
  await page.getByText(`Logged in as ${username}`).waitFor()
})
