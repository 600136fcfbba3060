import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { axeFindings, loadAxe } from './axe.ts'
import { badFields, button, field, fill, focused, heading, said, signUp, somebody } from './demo-person.ts'
import { closeStage, openStage, visit, type Stage } from './demo-site.ts'
import { mailTo } from './mails.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => closeStage(stage))

const other = 'lantern orchid gravel'
const onTheWay = 'If this email has an account, we have mailed it a code.'
const link = (page: Page, name: string) => page.getByRole('link', { name, exact: true })
const mail = (who: { email: string }, kind: string) => mailTo(stage.server.dataDir, who.email, kind)

/** Opens a further tab of the same browser. */
async function openTab(page: Page, address: string): Promise<Page> {
  const tab = await page.context().newPage()
  await tab.goto(address)
  return tab
}

/** Opens the demo and signs up. */
async function signedUp(failures: Parameters<typeof visit>[1] = []) {
  const page = await visit(stage, failures)
  const who = somebody()
  await signUp(page, who)
  return { page, who }
}

/** Notes each request that changes something, without those before the call. */
function changing(page: Page): string[] {
  const sent: string[] = []
  page.on('request', (request) => {
    if (!['GET', 'OPTIONS'].includes(request.method())) sent.push(new URL(request.url()).pathname)
  })
  return sent
}

async function logIn(page: Page, email: string, password: string): Promise<void> {
  await heading(page, 'Log in')
  await fill(page, { Email: email, Password: password })
  await button(page, 'Log in').click()
  await heading(page, 'Your account')
}

describe.each([
  ['a desktop', { viewport: { width: 1280, height: 800 } }],
  ['a phone', { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 }],
])('on %s', (_, options) => {
  test('a forgotten password leads through the mail to the new login', async () => {
    const wrong = [401, '/api/users/password-resets/confirm/'] as const
    const refused = [422, '/api/users/password-resets/confirm/'] as const
    const page = await visit(stage, [wrong, refused], options)
    await loadAxe(page)
    const who = somebody()
    await signUp(page, who)
    await button(page, 'Log out').click()

    await link(page, 'Forgot your password?').click()
    await heading(page, 'Forgotten password')
    expect(await axeFindings(page)).toEqual([])
    await fill(page, { Email: who.email })
    await button(page, 'Mail me a code').click()
    await heading(page, 'New password')
    await said(page, onTheWay)
    expect(await focused(page)).toBe('heading')
    expect(await axeFindings(page)).toEqual([])

    const { code } = await mail(who, 'reset_password')
    await fill(page, { Code: code === '00000000' ? '00000001' : '00000000', 'New password': other })
    await button(page, 'Set the password').click()
    const words = 'This code is wrong or has expired. Use the newest mail, or ask for another code.'
    await expect.poll(() => badFields(page)).toEqual({ code: words })
    expect(await focused(page)).toBe('code')
    // As it is copied from some mails.
    await fill(page, { Code: ` ${code.slice(0, 4)} ${code.slice(4)}`, 'New password': 'short' })
    await button(page, 'Set the password').click()
    await expect.poll(() => badFields(page)).toEqual({ password: 'It must have at least 8 characters.' })
    expect(await axeFindings(page)).toEqual([])

    await field(page, 'New password').fill(other)
    await button(page, 'Set the password').click()
    await heading(page, 'Your account')
    await said(page, 'You are logged in.')
    await page.getByText(who.email, { exact: true }).waitFor()
    await page.getByText('verified', { exact: true }).waitFor()
    await button(page, 'Log out').click()
    await logIn(page, who.email, other)
    expect(await page.evaluate(() => Object.keys(localStorage))).toEqual(['latchkey'])
  })
})

test('the link of a mail sets a new password only when the person does', async () => {
  const { page, who } = await signedUp()
  await button(page, 'Log out').click()
  await link(page, 'Forgot your password?').click()
  await heading(page, 'Forgotten password')
  await fill(page, { Email: who.email })
  await button(page, 'Mail me a code').click()
  const { link: address } = await mail(who, 'reset_password')
  expect(address).toContain(`${stage.site.origin}/account#reset_password=lkl_`)

  const elsewhere = await visit(stage)
  const sent = changing(elsewhere)
  await elsewhere.goto(address)
  await heading(elsewhere, 'New password')
  // The token is in no address any more, and in no entry of the history.
  expect(elsewhere.url()).toBe(`${stage.site.origin}/#/reset`)
  await elsewhere.reload()
  await heading(elsewhere, 'Forgotten password')
  expect(sent).toEqual([])

  await elsewhere.goto(address)
  await fill(elsewhere, { 'New password': other })
  await button(elsewhere, 'Set the password').click()
  await said(elsewhere, 'Your new password is set. Log in with it.')
  await logIn(elsewhere, who.email, other)
})

test('an email is verified by the code, or by the link once its button is pressed', async () => {
  const { page, who } = await signedUp()
  await link(page, 'Email').click()
  await heading(page, 'Email')
  await button(page, 'Mail me a code').click()
  await said(page, 'We have mailed you a code.')
  expect(await focused(page)).toBe('code')
  const { code, link: address } = await mail(who, 'verify_email')

  // A stranger's browser gains nothing by the link: it has no session.
  const stranger = await visit(stage)
  await stranger.goto(address)
  await heading(stranger, 'Log in')
  const tab = await openTab(page, address)
  await heading(tab, 'Verify your email')
  expect(tab.url()).toBe(`${stage.site.origin}/#/verify`)
  await loadAxe(tab)
  // What was not used is gone with the reload.
  await heading(tab, 'Your account')
  await page.bringToFront()
  await tab.getByText('not verified', { exact: true }).waitFor()
  await tab.goto(address)
  await heading(tab, 'Verify your email')
  expect(await axeFindings(tab)).toEqual([])
  await button(tab, 'Verify my email').click()
  await said(tab, 'Your email is verified.')
  await tab.getByText('verified', { exact: true }).waitFor()

  const { page: second, who: another } = await signedUp([[401, '/api/users/me/email/verification/confirm/']])
  await link(second, 'Email').click()
  await heading(second, 'Email')
  await button(second, 'Mail me a code').click()
  const mailed = await mail(another, 'verify_email')
  await fill(second, { Code: code === mailed.code ? '00000000' : code })
  await button(second, 'Verify').click()
  await expect.poll(async () => Object.keys(await badFields(second))).toEqual(['code'])
  await fill(second, { Code: mailed.code })
  await button(second, 'Verify').click()
  await heading(second, 'Your account')
  await said(second, 'Your email is verified.')
})

test('another email counts once its code has come, and the former address undoes it with a new password', async () => {
  const { page, who } = await signedUp()
  await loadAxe(page)
  const next = `next-${who.email}`
  await link(page, 'Email').click()
  await heading(page, 'Email')
  await fill(page, { 'New email': next })
  await button(page, 'Mail a code there').click()
  await said(page, 'We have mailed you a code.')
  expect(await focused(page)).toBe('code')
  expect(await axeFindings(page)).toEqual([])
  await fill(page, { Code: (await mail({ email: next }, 'change_email')).code })
  await button(page, 'Change').click()
  await said(page, 'Your email is changed.')
  await page.getByText(next, { exact: true }).waitFor()

  const owner = await visit(stage)
  await owner.goto((await mail(who, 'email_changed')).link)
  await heading(owner, 'New password')
  await fill(owner, { 'New password': other })
  await button(owner, 'Set the password').click()
  await said(owner, 'Your new password is set. Log in with it.')
  await logIn(owner, who.email, other)
})

test('a code logs in, typed or by its link in the same browser', async () => {
  const { page, who } = await signedUp()
  await button(page, 'Log out').click()
  await link(page, 'Log in with a code').click()
  await heading(page, 'Log in with a code')
  await fill(page, { Email: who.email })
  await button(page, 'Mail me a code').click()
  await heading(page, 'Enter the code')
  await said(page, onTheWay)
  const { code, link: address } = await mail(who, 'login_code')

  const stranger = await visit(stage)
  const sent = changing(stranger)
  await stranger.goto(address)
  await heading(stranger, 'Log in with a code')
  expect(sent).toEqual([])

  await fill(page, { Code: code })
  await button(page, 'Log in').click()
  await heading(page, 'Your account')
  await said(page, 'You are logged in.')

  const { page: first, who: another } = await signedUp()
  await button(first, 'Log out').click()
  await link(first, 'Log in with a code').click()
  await heading(first, 'Log in with a code')
  await fill(first, { Email: another.email })
  await button(first, 'Mail me a code').click()
  const tab = await openTab(first, (await mail(another, 'login_code')).link)
  await heading(tab, 'Enter the code')
  expect(tab.url()).toBe(`${stage.site.origin}/#/enter`)
  await button(tab, 'Log in').click()
  for (const each of [tab, first]) await heading(each, 'Your account')
})

test('changing the password ends the session elsewhere, and keeps this one', async () => {
  const { page, who } = await signedUp([[403, '/api/users/me/password/']])
  const phone = await visit(stage, [
    [401, '/api/users/me/'],
    [400, '/api/users/login/token/'],
  ])
  await logIn(phone, who.email, who.password)

  await link(page, 'Password').click()
  await heading(page, 'Password')
  await fill(page, { 'Current password': 'not the password', 'New password': other })
  await button(page, 'Change the password').click()
  await said(page, 'The current password is wrong.')
  expect(await focused(page)).toBe('current')
  await fill(page, { 'Current password': who.password })
  await button(page, 'Change the password').click()
  await heading(page, 'Your account')
  await said(page, 'Your password is changed. You are logged out everywhere else.')

  await phone.reload()
  await heading(phone, 'Log in')
  await said(phone, 'The server no longer accepts your session. Log in again.')
  await logIn(phone, who.email, other)
})

test('the profile is changed, and not over what was changed elsewhere meanwhile', async () => {
  const { page, who } = await signedUp([[412, '/api/users/me/']])
  await link(page, 'Profile').click()
  await heading(page, 'Profile')
  await fill(page, { Name: 'Ada Lovelace' })
  const tab = await openTab(page, `${stage.site.origin}/#/profile`)
  expect(await field(tab, 'Username').inputValue()).toBe(who.username)
  await button(page, 'Save').click()
  await heading(page, 'Your account')
  await said(page, 'Your profile is saved.')
  await page.getByText('Ada Lovelace', { exact: true }).waitFor()

  await fill(tab, { Name: 'Countess' })
  await button(tab, 'Save').click()
  await said(tab, 'This was changed elsewhere in the meantime. Open it again to see what it is now.')
  await link(page, 'Profile').click()
  await heading(page, 'Profile')
  await fill(page, { Name: '' })
  await button(page, 'Save').click()
  await heading(page, 'Your account')
  await page.getByText(who.email, { exact: true }).waitFor()
  expect(await page.getByText('Ada Lovelace', { exact: true }).count()).toBe(0)
})

test('one sees where one is logged in, logs out there, and finds it among what happened', async () => {
  const { page, who } = await signedUp()
  const phone = await visit(
    stage,
    [
      [401, '/api/users/me/'],
      [400, '/api/users/login/token/'],
    ],
    { userAgent: 'An old phone' },
  )
  await logIn(phone, who.email, who.password)
  await link(page, 'Where you are logged in').click()
  await heading(page, 'Where you are logged in')
  await page.getByText('This browser', { exact: true }).waitFor()
  await button(page, 'Log out there: An old phone').click()
  await said(page, 'You are logged out there.')
  expect(await focused(page)).toBe('heading')
  await expect.poll(() => page.getByText('An old phone').count()).toBe(0)
  await phone.reload()
  await heading(phone, 'Log in')

  await link(page, 'Back to your account').click()
  await link(page, 'Recent activity').click()
  await page.getByText('You signed up', { exact: true }).waitFor()
  await page.getByText('A session ended', { exact: true }).waitFor()
})

/** Has the next request to a path answered as the server does five minutes after the login. */
async function demandProof(page: Page, path: string): Promise<void> {
  const answer = {
    status: 401,
    headers: {
      'Content-Type': 'application/problem+json',
      'Access-Control-Allow-Origin': stage.site.origin,
      'Access-Control-Expose-Headers': 'WWW-Authenticate',
      'WWW-Authenticate': 'Bearer error="insufficient_user_authentication", max_age="300"',
    },
    body: JSON.stringify({
      code: 'reauthentication_required',
      status: 401,
      detail: 'Prove it.',
      max_age: 300,
      factors: ['password', 'email_code'],
    }),
  }
  await page.route(`${stage.server.url}${path}`, (route) => route.fulfill(answer), { times: 1 })
}

test('a code of a mail proves who one is, where the login is long ago', async () => {
  const { page, who } = await signedUp([[401, '/api/users/me/email/']])
  await loadAxe(page)
  await demandProof(page, '/api/users/me/email/')
  await link(page, 'Email').click()
  await heading(page, 'Email')
  await fill(page, { 'New email': `next-${who.email}` })
  await button(page, 'Mail a code there').click()
  await said(page, 'Your login was a while ago. Confirm that it is you.')
  await button(page, 'Mail me a code instead').click()
  await said(page, 'We have mailed you a code.')
  expect(await focused(page)).toBe('code')
  expect(await axeFindings(page)).toEqual([])
  await fill(page, { Code: (await mail(who, 'login_code')).code })
  await button(page, 'Continue').click()
  await button(page, 'Change').waitFor()
  await mail({ email: `next-${who.email}` }, 'change_email')
})

test('deleting the account asks for the password where the login is long ago', async () => {
  const { page, who } = await signedUp([
    [401, '/api/users/me/'],
    [403, '/api/users/me/reauthentication/'],
    [401, '/api/users/login/token/'],
  ])
  await loadAxe(page)
  await heading(page, 'Your account')
  await demandProof(page, '/api/users/me/')
  await link(page, 'Delete the account').click()
  await button(page, 'Delete my account').click()
  await said(page, 'Your login was a while ago. Confirm that it is you.')
  expect(await focused(page)).toBe('proof')
  expect(await axeFindings(page)).toEqual([])
  await fill(page, { 'Your password': 'not the password' })
  await button(page, 'Continue').click()
  await said(page, 'The current password is wrong.')
  await fill(page, { 'Your password': who.password })
  await button(page, 'Continue').click()
  await heading(page, 'Log in')
  await said(page, 'Your account is deleted.')
  expect(await page.evaluate(() => localStorage.length)).toBe(0)

  await fill(page, { Email: who.email, Password: who.password })
  await button(page, 'Log in').click()
  await said(page, 'The email or the password is wrong.')
})
