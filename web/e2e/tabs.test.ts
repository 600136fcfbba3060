import type { Client } from '@latchkey-auth/client'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openApplication, type Application } from './application.ts'
import { openPage } from './browser.ts'
import type { Server } from './server.ts'

declare global {
  interface Window {
    auth: Client
    /** What the listener was told since the page was loaded. */
    changes: string[]
  }
}

/** An application of an origin of its own, whose tabs share a session, or below `/copies` begin with a copy of it. */
const application = (api: string) => `import { createClient, webStorage } from '@latchkey-auth/client'
const kept = location.pathname === '/copies' ? 'session' : 'local'
window.auth = createClient({ baseUrl: ${JSON.stringify(api)}, storage: webStorage(kept) })
window.changes = []
window.auth.onAuthChange(({ type }) => {
  if (type.startsWith('signed')) window.changes.push(type)
})`

let stage: Application
let server: Server
let browser: Browser
let origin: string
beforeAll(async () => {
  stage = await openApplication(application)
  ;({ server, browser, origin } = stage)
})
afterAll(() => stage.stop())

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

test('two tabs of which one has begun with a copy of the other’s session stay logged in, whoever refreshes', async () => {
  const { page: first } = await openPage(browser, { origins: [origin, server.url] })
  await first.goto(`${origin}/copies`)
  const register = () =>
    window.auth.register({ email: 'bob@example.com', username: 'bob', password: 'correct horse battery staple' })
  expect(await first.evaluate(register)).toMatchObject({ ok: true })
  /** Opened by the page, a tab gets a copy of its storage, as one that is duplicated. */
  const open = async (page: Page) => {
    const [opened] = await Promise.all([
      page.context().waitForEvent('page'),
      page.evaluate(() => void window.open(location.href)),
    ])
    await opened.waitForFunction(() => 'changes' in window)
    return opened
  }
  /**
   * Refreshes twice, so that the token from before is worth nothing, and ends the session, whatever
   * the server's window.
   */
  const refreshTwice = (page: Page) =>
    page.evaluate(async () => {
      const answers = []
      for (let i = 0; i < 2; i++) {
        const session = JSON.parse(sessionStorage.getItem('latchkey') ?? '') as object
        sessionStorage.setItem('latchkey', JSON.stringify({ ...session, expires_in: 1 }))
        answers.push((await window.auth.me()).ok)
      }
      return answers
    })
  const second = await open(first)
  expect(await second.evaluate(() => window.auth.isAuthenticated())).toBe(true)
  for (const page of [first, second, first]) expect(await refreshTwice(page)).toEqual([true, true])
  // One that has not heard of it asks. What its storage holds was given up two refreshes ago.
  const early = await second.evaluate(() => sessionStorage.getItem('latchkey') ?? '')
  expect(await refreshTwice(first)).toEqual([true, true])
  const third = await open(second)
  await third.evaluate((session) => {
    sessionStorage.setItem('latchkey', JSON.stringify({ ...(JSON.parse(session) as object), expires_in: 1 }))
  }, early)
  for (const page of [third, second, first]) {
    expect(await page.evaluate(async () => (await window.auth.me()).ok)).toBe(true)
  }
  expect(await first.evaluate(() => window.changes)).toEqual(['signed_in'])
  for (const page of [second, third]) expect(await page.evaluate(() => window.changes)).toEqual([])
})
