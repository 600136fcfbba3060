import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { findChromium } from './chromium.ts'

const screenshots = join(import.meta.dirname, 'screenshots')

const flags = [
  // Nothing of the browser's own leaves the machine, nor anything that a page lets slip: no name is
  // resolved.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE 127.0.0.2',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  '--no-first-run',
]

/** What a wait for something on a page may take, in ms. */
const waitBound = 15_000

/**
 * Starts Chromium without a window: the one that `LATCHKEY_CHROMIUM` names, else one that is
 * installed, else (or with `LATCHKEY_CHROMIUM=npm`) the one in the npm package.
 */
export async function launchBrowser(): Promise<Browser> {
  const { executablePath, env } = await findChromium()
  const launch = (chromiumSandbox: boolean) =>
    chromium.launch({ executablePath, env: { ...process.env, ...env }, args: flags, chromiumSandbox })
  // Chromium refuses to sandbox what root runs.
  if (process.getuid?.() === 0) return launch(false)
  return launch(true).catch((error: unknown) => {
    // Containers, and kernels that keep namespaces from whom they don't know, allow no sandbox.
    // What runs here is ours.
    if (error instanceof Error && /sandbox|namespace/i.test(error.message)) return launch(false)
    throw error
  })
}

/** What a page has done beside showing itself. */
export interface Seen {
  /** Where its requests went, without `data:` and `blob:`, which go nowhere. */
  readonly origins: Set<string>
  /** Uncaught exceptions and what the console shows as an error, as `text (url)`. */
  readonly errors: string[]
  /** What the Content-Security-Policy has stopped, as `directive: uri (source)`. */
  readonly violations: string[]
}

/** How a page is opened, and what it is held to. */
export interface Expected extends BrowserContextOptions {
  /** The only origins that the page may send requests to. */
  origins: readonly string[]
  /** The errors that the test provokes, as `text (url)` or matchers. Each has to come, and no other may. */
  errors?: unknown
  /** The violations that the test provokes, likewise. */
  violations?: unknown
}

/**
 * Opens an empty page, with storage of its own. When the test ends, the page is closed, and the
 * test fails if the page did what `expected` doesn't name. A screenshot of a page that failed stays
 * in `screenshots`.
 */
export async function openPage(browser: Browser, expected: Expected): Promise<{ page: Page; seen: Seen }> {
  const { origins, errors = [], violations = [], ...options } = expected
  const context = await browser.newContext(options)
  context.setDefaultTimeout(waitBound)
  const seen: Seen = { origins: new Set(), errors: [], violations: [] }
  context.on('request', (request) => {
    const { protocol, origin } = new URL(request.url())
    if (protocol !== 'data:' && protocol !== 'blob:') seen.origins.add(origin)
  })
  context.on('console', (message) => {
    if (message.type() === 'error') seen.errors.push(`${message.text()} (${message.location().url})`)
  })
  context.on('weberror', (error) => {
    seen.errors.push(`${error.error().message} (${error.page()?.url() ?? ''})`)
  })
  await context.exposeFunction('reportViolation', (violation: string) => seen.violations.push(violation))
  await context.addInitScript(reportViolations)

  const page = await context.newPage()
  const check = () => {
    expect({ ...seen, origins: [...seen.origins].filter((origin) => !origins.includes(origin)) }).toEqual({
      origins: [],
      errors,
      violations,
    })
  }
  onTestFinished(async ({ task }) => {
    try {
      if (task.result?.state !== 'fail') check()
    } catch (error) {
      await keepScreenshot(page, task.name)
      throw error
    } finally {
      if (task.result?.state === 'fail') await keepScreenshot(page, task.name)
      await context.close()
    }
  })
  return { page, seen }
}

/** Runs in the page, before anything of its own. */
function reportViolations(): void {
  const { reportViolation } = window as unknown as { reportViolation: (violation: string) => Promise<void> }
  document.addEventListener('securitypolicyviolation', (event) => {
    void reportViolation(`${event.effectiveDirective}: ${event.blockedURI} (${event.sourceFile}:${event.lineNumber})`)
  })
}

async function keepScreenshot(page: Page, test: string): Promise<void> {
  await mkdir(screenshots, { recursive: true })
  const path = join(screenshots, `${test.replace(/[^\w]+/g, '-')}.png`)
  // The test's own failure says more than one of the screenshot.
  await page.screenshot({ path, fullPage: true }).catch(() => undefined)
}
