import type { Client } from '@latchkey-auth/client'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openApplication, type Application } from './application.ts'
import { openPage } from './browser.ts'
import type { Server } from './server.ts'

/** An application of an origin of its own, whose tabs share a session. */
const application = (api: string) => `import { createClient } from '@latchkey-auth/client'
const storage = {
  sharedAs: 'frozen',
  get: () => localStorage.getItem('session'),
  set: (value) => localStorage.setItem('session', value),
  remove: () => localStorage.removeItem('session'),
}
window.auth = createClient({ baseUrl: ${JSON.stringify(api)}, storage })`

interface AppWindow extends Window {
  readonly auth: Client
}

let stage: Application
let server: Server
let browser: Browser
let origin: string
beforeAll(async () => {
  stage = await openApplication(application)
  ;({ server, browser, origin } = stage)
})
afterAll(() => stage.stop())

const me = (page: Page) => page.evaluate(() => (window as unknown as AppWindow).auth.me())

/** Lets the access token expire, by the clock of all tabs. */
const expire = (page: Page) =>
  page.evaluate(() => {
    const session = JSON.parse(localStorage.getItem('session') ?? '') as { since: number }
    localStorage.setItem('session', JSON.stringify({ ...session, since: session.since - 900_000 }))
  })

const isLoggedIn = (page: Page) => page.evaluate(() => (window as unknown as AppWindow).auth.isAuthenticated())

test('a tab that keeps the lock, as one does that is frozen while it refreshes, holds up no other tab', async () => {
  const { page: first } = await openPage(browser, { origins: [origin, server.url] })
  await first.goto(origin)
  const context = first.context()
  const other = await context.newPage()
  await other.goto(origin)
  await first.evaluate(() =>
    (window as unknown as AppWindow).auth.register({
      email: 'ada@example.com',
      username: 'ada',
      password: 'correct horse battery staple',
    }),
  )
  // The refresh of the first is under way, and holds the lock. A browser without a window freezes
  // no tab: its answer is kept back instead.
  let letGo: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    letGo = resolve
  })
  await first.route('**/login/token/', async (route) => {
    await held
    await route.continue().catch(() => undefined)
  })
  await expire(first)
  const refreshing = first.waitForRequest('**/login/token/')
  const asked = me(first)
  await refreshing
  expect((await other.evaluate(() => navigator.locks.query())).held).toHaveLength(1)

  expect(await me(other)).toMatchObject({ ok: true, data: { username: 'ada' } })
  expect((await other.evaluate(() => navigator.locks.query())).held).toHaveLength(1)

  // It is answered, and finds the session as the other has left it.
  letGo()
  expect(await asked).toMatchObject({ ok: true })
  for (const page of [first, other]) {
    await expire(page)
    expect(await me(page)).toMatchObject({ ok: true })
    expect(await isLoggedIn(page)).toBe(true)
  }
})

test('without a network, a call that has to refresh says so at once, and the session stays', async () => {
  const { page } = await openPage(browser, {
    origins: [origin, server.url],
    errors: [expect.stringContaining('ERR_INTERNET_DISCONNECTED')],
  })
  await page.goto(origin)
  await page.evaluate(() =>
    (window as unknown as AppWindow).auth.register({
      email: 'bob@example.com',
      username: 'bob',
      password: 'correct horse battery staple',
    }),
  )
  await expire(page)
  let refreshes = 0
  page.on('request', (request) => {
    if (request.url().endsWith('/login/token/')) refreshes++
  })
  await page.context().setOffline(true)
  expect(await me(page)).toMatchObject({ ok: false, error: { code: 'offline' } })
  expect(refreshes).toBe(1)
  await page.context().setOffline(false)
  expect(await me(page)).toMatchObject({ ok: true })
})
