import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, openPage } from './browser.ts'
import { startServer, type Server } from './server.ts'

/** What axe finds in Swagger UI's own markup, which a page that shows it can't change. Anything else fails. */
const swaggerUI = [
  // The title is an h1, a tag is an h3; the dialog begins with an h3.
  'heading-order',
  // The dialog's two buttons show `Authorize` and have the names `Apply (given OAuth2) credentials`.
  'label-content-name-mismatch',
  // The tables of answers are landmarks without a name.
  'landmark-unique',
  // The button that unfolds an operation has the operation's link in it.
  'nested-interactive',
  // The choice among the examples of one answer stands below a label that isn't its own.
  'select-name',
]

let server: Server
let browser: Browser
beforeAll(async () => {
  server = await startServer()
  browser = await launchBrowser()
})
afterAll(async () => {
  await browser.close()
  await server.stop()
})

/** Answers each of axe's findings that isn't known, with the elements that it is about. */
async function findings(page: Page, known: readonly string[]): Promise<Record<string, string[]>> {
  // Evaluated by the debugger, so that the page's policy stays as it is.
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(() => window.axe.run({ preload: false }))
  return Object.fromEntries(
    violations.filter(({ id }) => !known.includes(id)).map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
  )
}

/** Answers by how many pixels the page is wider than the screen. */
function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
}

test.each([
  { colorScheme: 'light', width: 1280, known: swaggerUI },
  { colorScheme: 'dark', width: 1280, known: swaggerUI },
  { colorScheme: 'light', width: 400, known: swaggerUI },
  { colorScheme: 'dark', width: 400, known: swaggerUI },
] as const)(
  '/docs, $colorScheme, $width px wide, fits and has nothing for axe to find',
  async ({ colorScheme, width, known }) => {
    const { page } = await openPage(browser, {
      origins: [server.url],
      colorScheme,
      viewport: { width, height: 900 },
      reducedMotion: 'reduce',
    })
    await page.goto(`${server.url}/docs`)
    await page.locator('.opblock').first().waitFor()
    expect(await findings(page, known)).toEqual({})
    expect(await overflow(page)).toBe(0)

    await page.locator('#operations-service-GetReadiness .opblock-summary-control').click()
    await page.getByRole('button', { name: 'Execute' }).click()
    await page.locator('.live-responses-table').waitFor()
    await page.locator('#operations-users-RegisterUser .opblock-summary-control').click()
    await page.getByLabel('Request body').waitFor()
    for (const folded of await page.getByText(/^(More about this API|Headers \(\d+\))$/).all()) await folded.click()
    expect(await findings(page, known)).toEqual({})
    expect(await overflow(page)).toBe(0)

    await page.locator('.auth-wrapper .btn.authorize').click()
    await page.getByLabel('password:').waitFor()
    expect(
      await page
        .getByLabel(/client/i)
        .filter({ visible: true })
        .count(),
    ).toBe(0)
    expect(await findings(page, known)).toEqual({})
    expect(await overflow(page)).toBe(0)
  },
)

declare global {
  interface Window {
    axe: typeof axe
  }
}
