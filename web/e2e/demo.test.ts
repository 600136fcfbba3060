import { EventEmitter, once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { badFields, button, field, fill, focused, heading, password, said, signUp, somebody } from './demo-person.ts'
import { closeStage, openStage, visit, type Failure, type Stage } from './demo-site.ts'

const invalid: Failure = [422, '/api/users/']
const taken: Failure = [409, '/api/users/']
const wrong: Failure = [401, '/api/users/login/token/']

describe('the demo', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage()
  })
  afterAll(() => closeStage(stage))

  test('tells what is wrong beside each field, and then signs up', async () => {
    const page = await visit(stage, [invalid, invalid])
    await heading(page, 'Log in')
    await button(page, 'Log in').click()
    await said(page, 'Please check the marked fields.')
    expect(await badFields(page)).toEqual({ email: 'Please fill this in.', password: 'Please fill this in.' })
    expect(await focused(page)).toBe('email')
    await page.getByRole('link', { name: 'Sign up' }).click()
    await heading(page, 'Sign up')
    expect(await page.title()).toBe('Sign up · Latchkey demo')
    expect(await focused(page)).toBe('heading')

    // What is missing is said without the server, which is asked only then.
    await fill(page, { Email: '  ', Username: 'a b', Password: 'password1' })
    await button(page, 'Sign up').click()
    await said(page, 'Please check the marked fields.')
    expect(await badFields(page)).toEqual({ email: 'Please fill this in.' })
    expect(await focused(page)).toBe('email')
    await fill(page, { Email: 'no email' })
    await button(page, 'Sign up').click()
    await expect
      .poll(() => badFields(page))
      .toEqual({
        email: 'Use an email such as ada@example.com.',
        username: 'Use 3 to 64 letters, digits, “_” and “-”.',
        password: 'This is too easily guessed. Try a few words that only you would put together.',
      })
    expect(await focused(page)).toBe('email')

    const who = somebody()
    await fill(page, { Email: who.email, Username: who.username, Password: 'short' })
    expect(await badFields(page)).toEqual({})
    await button(page, 'Sign up').click()
    await expect.poll(() => badFields(page)).toEqual({ password: 'It must have at least 8 characters.' })
    expect(await focused(page)).toBe('password')

    await field(page, 'Password').fill(who.password)
    await page.keyboard.press('Enter')
    await heading(page, 'Your account')
    await said(page, 'You are logged in.')
    await page.getByText(who.username, { exact: true }).waitFor()
    await page.getByText(who.email, { exact: true }).waitFor()
    expect(await focused(page)).toBe('heading')
    expect(await page.title()).toBe('Your account · Latchkey demo')
  })

  test('says beside its field that an email or a username is taken', async () => {
    const page = await visit(stage, [taken, taken])
    const who = somebody()
    await signUp(page, who)
    await button(page, 'Log out').click()
    await page.getByRole('link', { name: 'Sign up' }).click()
    await heading(page, 'Sign up')

    await fill(page, { Email: who.email.toUpperCase(), Username: 'another', Password: who.password })
    await button(page, 'Sign up').click()
    const words = 'This email already has an account. Is it yours? Then log in instead.'
    await expect.poll(() => badFields(page)).toEqual({ email: words })
    expect(await focused(page)).toBe('email')

    await fill(page, { Email: somebody().email, Username: who.username.toUpperCase() })
    await button(page, 'Sign up').click()
    await expect.poll(() => badFields(page)).toEqual({ username: 'This username is taken. Try another one.' })
    expect(await focused(page)).toBe('username')
  })

  test('keeps the person logged in over a reload, Back and every address, until they log out', async () => {
    const page = await visit(stage)
    const who = somebody()
    await signUp(page, who)
    await page.reload()
    await page.getByText(who.email, { exact: true }).waitFor()
    expect(new URL(page.url()).hash).toBe('#/me')
    await page.goBack()
    await page.getByText(who.email, { exact: true }).waitFor()
    expect(new URL(page.url()).hash).toBe('#/me')
    await page.goto(`${stage.site.origin}/#/signup`)
    await heading(page, 'Your account')

    await button(page, 'Log out').click()
    await heading(page, 'Log in')
    await said(page, 'You are logged out.')
    expect(await page.evaluate(() => localStorage.length)).toBe(0)
    await page.goto(`${stage.site.origin}/#/me`)
    await page.reload()
    await heading(page, 'Log in')
    expect(new URL(page.url()).hash).toBe('#/login')
  })

  test('leads to the login if the browser loses what it has kept', async () => {
    const page = await visit(stage)
    await signUp(page, somebody())
    await page.evaluate(() => {
      localStorage.clear()
    })
    await page.getByRole('link', { name: 'Profile', exact: true }).click()
    await heading(page, 'Log in')
    await said(page, 'This browser has lost your session. Log in again.')
  })

  test('refuses a wrong password without a word on which of the two is wrong, and takes the right one', async () => {
    const page = await visit(stage, [wrong, wrong])
    const who = somebody()
    await signUp(page, who)
    await button(page, 'Log out').click()

    await fill(page, { Email: who.email, Password: 'not the password' })
    await button(page, 'Log in').click()
    await said(page, 'The email or the password is wrong.')
    expect(await badFields(page)).toEqual({})
    expect(await focused(page)).toBe('password')
    expect(await field(page, 'Email').inputValue()).toBe(who.email)
    await fill(page, { Email: 'nobody@example.com', Password: who.password })
    await button(page, 'Log in').click()
    await said(page, 'The email or the password is wrong.')

    await field(page, 'Email').fill(` ${who.email} `)
    await button(page, 'Log in').click()
    await page.getByText(who.username, { exact: true }).waitFor()
  })

  test('sends a form once however often Enter is pressed, and says that it is busy', async () => {
    const page = await visit(stage, [wrong])
    const gate = new EventEmitter()
    const held = once(gate, 'open')
    let sent = 0
    await page.route(`${stage.server.url}/**`, async (route) => {
      if (route.request().method() === 'POST') sent += 1
      await held
      await route.continue()
    })
    await fill(page, { Email: 'nobody@example.com', Password: password })
    await button(page, 'Show password').click()
    await field(page, 'Password').press('Enter')
    const busy = button(page, 'Logging in…')
    await busy.waitFor()
    for (const name of ['aria-disabled', 'aria-busy']) expect(await busy.getAttribute(name)).toBe('true')
    await said(page, 'Logging in…')
    // What was shown is a password field again, so that the browser doesn't keep it as text.
    expect(await field(page, 'Password').getAttribute('type')).toBe('password')
    await field(page, 'Password').press('Enter')
    await page.evaluate(() => {
      document.querySelector('form')?.requestSubmit()
    })
    gate.emit('open')
    await said(page, 'The email or the password is wrong.')
    expect(sent).toBe(1)
    for (const name of ['aria-disabled', 'aria-busy'])
      expect(await button(page, 'Log in').getAttribute(name)).toBeNull()
  })

  // Where else the page's requests go, `visit` watches in every test.
  test('can talk to its server only, and can make no markup of strings', async () => {
    // Not by `visit`, which takes for a failure what is provoked here.
    const page = await stage.browser.newPage()
    await page.goto(stage.site.origin)
    await heading(page, 'Log in')
    const refused = await page.evaluate(async (elsewhere) => {
      const violation = new Promise<string>((resolve) => {
        document.addEventListener('securitypolicyviolation', (event) => {
          resolve(event.effectiveDirective)
        })
      })
      const fetched = await fetch(elsewhere).then(
        () => 'fetched',
        (error: unknown) => String(error),
      )
      try {
        document.body.innerHTML = '<b>bold</b>'
      } catch (error) {
        return [fetched, await violation, error instanceof TypeError]
      }
      return [fetched, await violation, 'made']
    }, stage.site.origin)
    expect(refused).toEqual(['TypeError: Failed to fetch', 'connect-src', true])
    await page.close()
  })
})

describe('the demo, when its session ends', () => {
  let stage: Stage
  beforeAll(async () => {
    stage = await openStage({
      LATCHKEY_ACCESS_TOKEN_TTL: '1s',
      LATCHKEY_REFRESH_TOKEN_TTL: '3s',
      LATCHKEY_REFRESH_REUSE_WINDOW: '1s',
    })
  })
  afterAll(() => closeStage(stage))

  test('leads back to the login once the session has expired, and says why', async () => {
    const page = await visit(stage)
    const who = somebody()
    await signUp(page, who)
    // Nothing is pressed: a page that is left open notices it.
    await heading(page, 'Log in')
    await said(page, 'Your session has ended. Log in again.')
    expect(await focused(page)).toBe('heading')
    expect(await page.evaluate(() => localStorage.length)).toBe(0)
    await page.reload()
    await heading(page, 'Log in')
    await said(page, '')

    await fill(page, { Email: who.email, Password: who.password })
    await button(page, 'Log in').click()
    await heading(page, 'Your account')
  })
})
