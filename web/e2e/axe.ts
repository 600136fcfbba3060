import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'

declare global {
  interface Window {
    axe: typeof import('axe-core')
  }
}

const source = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Loads axe into a page before the page's own script, since the page's policy refuses any that is added later. */
export async function loadAxe(page: Page): Promise<void> {
  await page.addInitScript(await source)
  await page.reload()
}

/** What axe finds, and whether the page is wider than the window, which WCAG 1.4.10 forbids down to 320 px. */
export function axeFindings(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    // Without `preload`, which would fetch the style sheets: the page's policy refuses that.
    const { violations } = await window.axe.run(document, { preload: false })
    const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
    return document.documentElement.scrollWidth > window.innerWidth ? [...found, 'scrolls sideways'] : found
  })
}
