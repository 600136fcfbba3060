import axe from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, openPage } from './browser.ts'
import { startServer, type Server } from './server.ts'

/** What axe finds in Swagger UI's own markup, which a page that shows it can't change. Anything else fails. */
const swaggerUI = [
  // The title is an h1, a tag is an h3.
  'heading-order',
  // The tables of answers are landmarks without a name.
  'landmark-unique',
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

/** Returns each of axe's findings that isn't Swagger UI's, with its elements. */
async function findings(page: Page): Promise<Record<string, string[]>> {
  // Evaluated by the debugger, so that the page's policy stays as it is.
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate(() => window.axe.run({ preload: false }))
  return Object.fromEntries(
    violations.filter(({ id }) => !swaggerUI.includes(id)).map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
  )
}

/** Returns the colour of a button, those of a code span and of its text, and the frame of the bar with Authorize. */
async function look(page: Page) {
  const style = (selector: string, property: string) =>
    page
      .locator(selector)
      .first()
      .evaluate((element, property) => getComputedStyle(element).getPropertyValue(property), property)
  return {
    accent: await style('.btn.authorize', 'color'),
    code: [await style('.info code', 'color'), await style('.info p', 'color')],
    frame: await style('.scheme-container', 'box-shadow'),
  }
}

/** Returns by how many pixels the page is wider than the screen. */
function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
}

test.each([
  { colorScheme: 'light', width: 1280 },
  { colorScheme: 'dark', width: 1280 },
  { colorScheme: 'light', width: 390 },
  { colorScheme: 'dark', width: 390 },
] as const)(
  '/docs, $colorScheme, $width px wide, fits, has the colours of the demo and nothing for axe to find',
  async ({ colorScheme, width }) => {
    const { page } = await openPage(browser, {
      origins: [server.url],
      colorScheme,
      viewport: { width, height: 900 },
      reducedMotion: 'reduce',
    })
    await page.goto(`${server.url}/docs`)
    await page.locator('.opblock').first().waitFor()
    expect(await findings(page)).toEqual({})
    expect(await overflow(page)).toBe(0)
    const text = { light: 'rgb(28, 36, 48)', dark: 'rgb(230, 233, 238)' }[colorScheme]
    expect(await look(page)).toEqual({
      accent: { light: 'rgb(43, 91, 181)', dark: 'rgb(143, 178, 244)' }[colorScheme],
      code: [text, text],
      frame: 'none',
    })

    await page.locator('#operations-service-GetReadiness .opblock-summary-control').click()
    await page.getByRole('button', { name: 'Execute' }).click()
    await page.locator('.live-responses-table').waitFor()
    await page.locator('#operations-users-RegisterUser .opblock-summary-control').click()
    await page.getByLabel('Request body').waitFor()
    for (const text of [/^More about this API$/, /^Errors \(\d+\)$/, /^Headers \(\d+\)$/]) {
      for (const folded of await page.getByText(text).filter({ visible: true }).all()) await folded.click()
    }
    expect(await findings(page)).toEqual({})
    expect(await overflow(page)).toBe(0)

    await page.locator('.auth-wrapper .btn.authorize').click()
    await page.getByText('Use an access token instead').click()
    await page.getByLabel('Access token').waitFor()
    expect(await findings(page)).toEqual({})
    expect(await overflow(page)).toBe(0)
  },
)

declare global {
  interface Window {
    axe: typeof axe
  }
}
