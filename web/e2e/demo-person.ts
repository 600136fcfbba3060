import type { Page } from 'playwright-core'
import { expect } from 'vitest'

export const password = 'violet anchor teapot'
let people = 0

/** Somebody whom no server knows yet. */
export function somebody() {
  people += 1
  return { email: `person${people}@example.com`, username: `person${people}`, password }
}

export const field = (page: Page, label: string) => page.getByLabel(label, { exact: true })
export const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
export const focused = (page: Page) => page.evaluate(() => document.activeElement?.id)

export async function signUp(page: Page, who: ReturnType<typeof somebody>): Promise<void> {
  await page.getByRole('link', { name: 'Sign up' }).click()
  // The login before it has fields of the same names.
  await heading(page, 'Sign up')
  await fill(page, { Email: who.email, Username: who.username, Password: who.password })
  // A logout before the account was read would make a 401.
  const read = page.waitForResponse((response) => response.url().endsWith('/api/users/me/') && response.ok())
  await button(page, 'Sign up').click()
  await Promise.all([read, heading(page, 'Your account')])
}

export async function fill(page: Page, values: Record<string, string>): Promise<void> {
  for (const [label, value] of Object.entries(values)) await field(page, label).fill(value)
}

/** Waits for the view with this heading. */
export async function heading(page: Page, name: string): Promise<void> {
  await page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
}

/** Waits until the live region says this. */
export async function said(page: Page, words: string): Promise<void> {
  await expect.poll(() => page.getByRole('status').textContent()).toBe(words)
}

/** The names of the fields that are marked as bad, each with the words that describe it. */
export function badFields(page: Page): Promise<Record<string, string>> {
  return page.evaluate(() => {
    const bad = [...document.querySelectorAll<HTMLInputElement>('input[aria-invalid="true"]')]
    const words = (input: HTMLInputElement) =>
      (input.getAttribute('aria-describedby') ?? '')
        .split(' ')
        .filter((id) => id.endsWith('-error'))
        .map((id) => document.getElementById(id)?.textContent)
    return Object.fromEntries(bad.map((input) => [input.name, words(input).join()]))
  })
}

/** What has the focus, by its accessible name, and whether one sees it. */
export function whereFocused(page: Page): Promise<{ name: string; outlined: boolean }> {
  return page.evaluate(() => {
    const element = document.activeElement
    if (!(element instanceof HTMLElement)) return { name: '', outlined: false }
    const label = (element as HTMLInputElement).labels?.[0]?.textContent ?? element.textContent
    const { outlineStyle, outlineWidth } = getComputedStyle(element)
    return {
      name: element.getAttribute('aria-label') ?? label,
      outlined: outlineStyle === 'solid' && outlineWidth === '3px',
    }
  })
}
