import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { axeFindings, loadAxe } from './axe.ts'
import { button, field, fill, heading, password, said, somebody, whereFocused } from './demo-person.ts'
import { closeStage, openStage, visit, type Stage } from './demo-site.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => closeStage(stage))

/** Holds the requests to a path. Returns the function that lets them go. */
async function hold(page: Page, path: string): Promise<() => void> {
  let letGo: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    letGo = resolve
  })
  await page.route(`${stage.server.url}${path}`, async (route) => {
    await held
    await route.continue()
  })
  return letGo
}

describe('the demo', () => {
  test('can be walked with the keyboard alone, and shows where one is', async () => {
    const page = await visit(stage)
    const who = somebody()
    const tab = async (name: string) => {
      await page.keyboard.press('Tab')
      expect(await whereFocused(page)).toEqual({ name, outlined: true })
    }
    await heading(page, 'Log in')
    for (const stop of ['Email', 'Password', 'Show password', 'Log in', 'Sign up']) await tab(stop)
    await page.keyboard.press('Enter')
    await heading(page, 'Sign up')

    await tab('Email')
    await page.keyboard.type(who.email)
    await tab('Username')
    await page.keyboard.type(who.username)
    await tab('Password')
    await page.keyboard.type(who.password)
    await tab('Show password')
    await page.keyboard.press('Space')
    expect(await field(page, 'Password').getAttribute('type')).toBe('text')
    await page.keyboard.press('Space')
    expect(await field(page, 'Password').getAttribute('type')).toBe('password')
    await tab('Sign up')
    const me = await hold(page, '/api/users/me/')
    await page.keyboard.press('Enter')
    await page.getByText(who.username, { exact: true }).waitFor()

    // From the heading on, the parts of the account; before it, the head of the page.
    await tab('Profile')
    me()
    await page.locator('[aria-busy]').waitFor({ state: 'detached' })
    expect(await whereFocused(page)).toEqual({ name: 'Profile', outlined: true })
    await page.keyboard.press('Shift+Tab')
    expect(await whereFocused(page)).toEqual({ name: 'Log out', outlined: true })
    await page.keyboard.press('Enter')
    await heading(page, 'Log in')
    await tab('Email')
  })

  test('leaves the focus where the person has put it, while an answer is awaited and after', async () => {
    const page = await visit(stage, [[401, '/api/users/login/token/']])
    const who = somebody()
    await heading(page, 'Log in')
    await fill(page, { Email: who.email, Password: who.password })
    const login = await hold(page, '/api/users/login/token/')
    await button(page, 'Log in').press('Enter')
    await button(page, 'Logging in…').waitFor()
    expect((await whereFocused(page)).name).toBe('Logging in…')
    await page.keyboard.press('Tab')
    login()
    await said(page, 'The email or the password is wrong.')
    expect((await whereFocused(page)).name).toBe('Sign up')
  })

  test('tells password managers what to fill in and what to keep', async () => {
    const page = await visit(stage)
    const inputs = () =>
      page.evaluate(() => [...document.querySelectorAll('input')].map((input) => [input.name, input.autocomplete]))
    await heading(page, 'Log in')
    const login = [
      ['email', 'username'],
      ['password', 'current-password'],
    ]
    expect(await inputs()).toEqual(login)
    await page.getByRole('link', { name: 'Sign up' }).click()
    await heading(page, 'Sign up')
    const signup = [
      ['email', 'username'],
      ['username', 'nickname'],
      ['password', 'new-password'],
    ]
    expect(await inputs()).toEqual(signup)
  })
})

const ownViews = [
  ['#/notes', 'Your notes'],
  ['#/profile', 'Profile'],
  ['#/email', 'Email'],
  ['#/password', 'Password'],
  ['#/sessions', 'Where you are logged in'],
  ['#/events', 'Recent activity'],
  ['#/delete', 'Delete the account'],
] as const
const guestViews = [
  ['#/forgotten', 'Forgotten password'],
  ['#/code', 'Log in with a code'],
] as const

/** Goes to a view, and waits until it has what it asks the server for. */
async function goTo(page: Page, route: string, title: string): Promise<void> {
  await page.evaluate((hash) => {
    location.hash = hash
  }, route)
  await heading(page, title)
  await expect.poll(() => page.locator('[aria-busy]').count()).toBe(0)
}

describe.each(['light', 'dark'] as const)('the demo in %s', (colorScheme) => {
  test.each([1280, 320])('has nothing that axe finds, at %d px', async (width) => {
    const page = await visit(stage, [[401, '/api/users/login/token/']], {
      colorScheme,
      reducedMotion: 'reduce',
      viewport: { width, height: 700 },
    })
    await loadAxe(page)
    const findings: Record<string, string[]> = {}
    const look = async (view: string) => {
      findings[view] = await axeFindings(page)
    }
    await heading(page, 'Log in')
    await look('login')
    await fill(page, { Email: 'nobody@example.com', Password: password })
    await button(page, 'Show password').click()
    await button(page, 'Log in').click()
    await said(page, 'The email or the password is wrong.')
    await look('login refused')
    await page.getByRole('link', { name: 'Sign up' }).click()
    await heading(page, 'Sign up')
    await look('signup')
    await button(page, 'Sign up').click()
    await said(page, 'Please check the marked fields.')
    await look('signup refused')
    const who = somebody()
    await fill(page, { Email: who.email, Username: who.username, Password: who.password })
    await button(page, 'Sign up').click()
    await page.getByText(who.email, { exact: true }).waitFor()
    await look('account')
    for (const [route, title] of ownViews) {
      await goTo(page, route, title)
      await look(route)
    }
    await goTo(page, '#/me', 'Your account')
    await button(page, 'Log out').click()
    for (const [route, title] of guestViews) {
      await goTo(page, route, title)
      await look(route)
    }
    await fill(page, { Email: who.email })
    await button(page, 'Mail me a code').click()
    await heading(page, 'Enter the code')
    await look('enter')
    expect(Object.keys(findings)).toHaveLength(15)
    expect(Object.values(findings).flat()).toEqual([])
  })
})
