import type { Page } from 'playwright-core'
import { expect } from 'vitest'
import { launchBrowser, openPage, type Expected } from './browser.ts'
import { startServer, type Server } from './server.ts'

/** The user whom the server has. */
export const ada = { email: 'ada@example.com', username: 'ada', password: 'correct horse battery staple' }

/** A server, whose `/docs` are looked at, and a browser to open them with. */
export interface DocsSite {
  readonly server: Server
  /** Opens `/docs` and returns when its operations are there. */
  open(expected?: Partial<Expected>, fragment?: string): Promise<Page>
  /** The error of the console that an answer of the server leaves. */
  refused(path: string, status?: string): string
  stop(): Promise<void>
}

/** Starts a server that has one user, and a browser. */
export async function openDocsSite(): Promise<DocsSite> {
  const server = await startServer()
  const browser = await launchBrowser()
  const registered = await fetch(`${server.url}/api/users/`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(ada),
  })
  expect(registered.status).toBe(201)
  return {
    server,
    open: async (expected = {}, fragment = '') => {
      const { page } = await openPage(browser, { origins: [server.url], ...expected })
      await page.goto(`${server.url}/docs${fragment}`)
      await page.locator('.opblock').first().waitFor()
      return page
    },
    refused: (path, status = '401 (Unauthorized)') =>
      `Failed to load resource: the server responded with a status of ${status} (${server.url}${path})`,
    stop: async () => {
      await browser.close()
      await server.stop()
    },
  }
}

export const operation = (page: Page, tag: string, id: string) => page.locator(`#operations-${tag}-${id}`)
export const me = (page: Page) => operation(page, 'users', 'GetCurrentUser')
export const unfold = (page: Page, tag: string, id: string) =>
  operation(page, tag, id).locator('.opblock-summary-control').click()
export const dialog = (page: Page) => page.getByRole('dialog', { name: 'Authorize' })
export const authorizeButton = (page: Page) => page.locator('.auth-wrapper .btn.authorize')
export const authorized = (page: Page) => page.getByText(`Authorized as ${ada.email}`)

/** Returns the state of the lock at `/api/users/me/`, as a screen reader gets it. */
export function lock(page: Page): Promise<string | null> {
  return me(page).locator('.authorization__btn').getAttribute('aria-label')
}
export const open = 'authorization button unlocked'
export const closed = 'authorization button locked'

export async function authorize(page: Page, password: string): Promise<void> {
  await authorizeButton(page).click()
  await dialog(page).getByLabel('Email').fill(ada.email)
  await dialog(page).getByLabel('Password').fill(password)
  await dialog(page).getByRole('button', { name: 'Authorize' }).click()
}

/** Sends the form of an operation, and returns the status and the body that the page shows. */
export async function execute(page: Page, tag: string, id: string): Promise<{ status: string; body: unknown }> {
  const block = operation(page, tag, id)
  const answered = page.waitForResponse((response) => response.url().includes('/api/'))
  await block.getByRole('button', { name: 'Execute' }).click()
  const status = String((await answered).status())
  const shown = block.locator('.live-responses-table .response')
  await shown.locator('.response-col_status', { hasText: status }).waitFor()
  return { status, body: JSON.parse(await shown.locator('.highlight-code code').first().innerText()) }
}

/** Fills in fields of the login operation's form, and sends it. */
export async function fillIn(page: Page, fields: Record<string, string>) {
  for (const [name, value] of Object.entries(fields)) {
    const row = operation(page, 'tokens', 'Login').locator(`tr[data-property-name="${name}"]`)
    if (name === 'grant_type') await row.locator('select').selectOption(value)
    else await row.locator('input').first().fill(value)
  }
  return execute(page, 'tokens', 'Login')
}

export const tokenPath = '/api/users/login/token/'
