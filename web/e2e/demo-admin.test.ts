import { execFileSync } from 'node:child_process'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { axeFindings, loadAxe } from './axe.ts'
import { button, fill, focused, heading, password, said, signUp, somebody, whereFocused } from './demo-person.ts'
import { closeStage, openStage, visit, type Failure, type Stage } from './demo-site.ts'
import { mailTo } from './mails.ts'

type Person = ReturnType<typeof somebody>

let stage: Stage
const root = somebody()
beforeAll(async () => {
  stage = await openStage({ LATCHKEY_RATE_LIMITS: 'off' })
  command(['user', 'create', '--email', root.email, '--username', root.username, '--superuser', '--password-stdin'])
})
afterAll(() => closeStage(stage))

/** Runs a command beside the server. */
function command(args: string[]): void {
  const { binary, folder, env } = stage.server
  execFileSync(binary, args, { cwd: folder, env, input: `${password}\n`, stdio: 'pipe' })
}

const link = (page: Page, name: string | RegExp) => page.getByRole('link', { name, exact: true })
const rows = (page: Page) => page.getByRole('main').getByRole('listitem')

/** Registers somebody beside the browser, and returns them with their id. */
async function registered(): Promise<Person & { id: string }> {
  const who = somebody()
  const answer = await fetch(`${stage.server.url}/api/users/`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(who),
  })
  const { id } = (await answer.json()) as { id: string }
  return { ...who, id }
}

/** Opens the operators' page and logs in. */
async function operate(
  who: Person = root,
  failures: readonly Failure[] = [],
  options: Parameters<typeof visit>[2] = {},
): Promise<Page> {
  const page = await visit(stage, failures, options)
  await loadAxe(page)
  await page.goto(`${stage.site.origin}/admin`)
  await heading(page, 'Log in')
  await fill(page, { Email: who.email, Password: who.password })
  await button(page, 'Log in').click()
  await heading(page, 'Users')
  return page
}

/** Searches for a user right after the login, and opens what is found. */
async function open(page: Page, who: Person): Promise<void> {
  await fill(page, { 'Email begins with': who.email })
  await button(page, 'Search').click()
  await expect.poll(() => rows(page).count()).toBe(1)
  await link(page, who.email).click()
  await heading(page, 'User')
  await page.getByRole('heading', { level: 2, name: 'Activity' }).waitFor()
  await loaded(page)
}

async function loaded(page: Page): Promise<void> {
  await expect.poll(() => page.locator('[aria-busy]').count()).toBe(0)
}

test('a locked user is logged out wherever they are, until they are unlocked', async () => {
  const who = somebody()
  const theirs = await visit(stage, [
    [401, '/api/users/me/'],
    [400, '/api/users/login/token/'],
    [401, '/api/users/login/token/'],
  ])
  await signUp(theirs, who)
  const page = await operate()
  await open(page, who)
  await button(page, 'Lock the account').click()
  await said(page, 'The account is locked. All its sessions have ended.')
  expect(await focused(page)).toBe('heading')
  await page.getByText('Nowhere.', { exact: true }).waitFor()
  await page.getByText('Locked', { exact: true }).first().waitFor()
  expect(await axeFindings(page)).toEqual([])

  await theirs.reload()
  await heading(theirs, 'Log in')
  await said(theirs, 'The server no longer accepts your session. Log in again.')
  await fill(theirs, { Email: who.email, Password: who.password })
  await button(theirs, 'Log in').click()
  await said(theirs, 'The email or the password is wrong.')

  await button(page, 'Unlock the account').click()
  await said(page, 'The account is unlocked.')
  await button(page, 'Lock the account').waitFor()
  await button(theirs, 'Log in').click()
  await heading(theirs, 'Your account')
})

test('who gives support reads and ends sessions, and is told why they can not lock', async () => {
  const who = await registered()
  const helper = await registered()
  command(['user', 'promote', helper.email, '--role', 'support'])
  const page = await operate(helper, [
    [403, `/api/users/${who.id}/`],
    [403, `/api/users/${who.id}/password-reset/`],
  ])
  await open(page, who)
  await button(page, 'Lock the account').click()
  await said(page, 'Your role doesn’t allow this. It takes one that has users:write.')
  await button(page, 'Mail a password reset').click()
  await said(page, 'Your role doesn’t allow this. It takes one that has users:write.')
  await button(page, 'End all sessions').click()
  await said(page, 'All sessions have ended.')
  await page.getByText('Nowhere.', { exact: true }).waitFor()
  await link(page, 'All of their activity').click()
  await heading(page, 'Activity')
  await rows(page).getByText('All sessions ended', { exact: true }).waitFor()
  await link(page, helper.id).click()
  await heading(page, 'User')
  await page.getByText('Support', { exact: true }).waitFor()
})

test('somebody without a role is told that they can do nothing here', async () => {
  const who = await registered()
  const page = await operate(who, [[403, '/api/users/?limit=20']])
  await said(page, 'Your role doesn’t allow this. It takes one that has users:read.')
})

test('the login is apart from that of the everyday page', async () => {
  const page = await operate()
  expect(await page.evaluate(() => [localStorage.length, sessionStorage.length])).toEqual([0, 1])
  expect(await link(page, 'Users').getAttribute('aria-current')).toBe('page')
  await page.goto(stage.site.origin)
  await heading(page, 'Log in')
  await page.goto(`${stage.site.origin}/admin#/events`)
  await heading(page, 'Activity')
  await button(page, 'Log out').click()
  await heading(page, 'Log in')
  await said(page, 'You are logged out.')
})

test('a list goes on to its next page and back, and narrows by what is chosen', async () => {
  const [name] = somebody().email.split('@')
  for (let i = 10; i < 32; i++) {
    const email = `${name ?? ''}-${i}@example.com`
    const answer = await fetch(`${stage.server.url}/api/users/`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ email, username: `${name ?? ''}-${i}`, password }),
    })
    expect(answer.status).toBe(201)
  }
  const page = await operate(root, [[422, '/api/users/?limit=20&cursor=lkc_AAAAAAAAAAAAAAAA']])
  await fill(page, { 'Email begins with': `${name ?? ''}-` })
  await button(page, 'Search').click()
  await expect.poll(() => rows(page).count()).toBe(21)
  await page.getByText(`${name ?? ''}-10@example.com`).waitFor()
  await link(page, 'Next page').click()
  await page.getByText(`${name ?? ''}-31@example.com`).waitFor()
  expect(await link(page, 'Next page').count()).toBe(0)
  expect(await page.getByLabel('Email begins with').inputValue()).toBe(`${name ?? ''}-`)
  await page.goBack()
  await page.getByText(`${name ?? ''}-10@example.com`).waitFor()
  await page.goForward()
  await link(page, 'First page').click()
  await page.getByText(`${name ?? ''}-10@example.com`).waitFor()

  await page.getByLabel('State').selectOption('Locked')
  await button(page, 'Search').click()
  await page.getByText('There are none like this.', { exact: true }).waitFor()
  await page.goto(`${stage.site.origin}/admin#/users?role=superuser`)
  await expect.poll(() => rows(page).count()).toBe(1)
  await link(page, root.email).waitFor()
  await page.goto(`${stage.site.origin}/admin#/users?cursor=lkc_AAAAAAAAAAAAAAAA`)
  await said(page, 'This page of the list is no longer there. Search again.')
})

test('whoever is invited chooses a password by the mail, and is found with their role', async () => {
  const page = await operate(root, [[409, '/api/users/invitations/']])
  await link(page, 'Invite').click()
  await heading(page, 'Invite somebody')
  expect(await axeFindings(page)).toEqual([])
  const { email } = somebody()
  await fill(page, { Email: email, Name: 'Grace Hopper' })
  await page.getByLabel('Role').selectOption('Support')
  await button(page, 'Invite').click()
  await heading(page, 'User')
  await said(page, `An invitation is on its way to ${email}.`)
  await page.getByText('None yet', { exact: true }).waitFor()

  const theirs = await visit(stage)
  await theirs.goto((await mailTo(stage.server.dataDir, email, 'invitation')).link)
  await heading(theirs, 'Choose a password')
  await fill(theirs, { 'New password': password })
  await button(theirs, 'Set the password').click()
  await heading(theirs, 'Log in')
  const helper = await operate({ email, username: '', password })
  await open(helper, { email, username: '', password })
  await helper.getByText(`${email}, verified`, { exact: true }).waitFor()

  await link(page, 'Invite').click()
  await fill(page, { Email: email })
  await button(page, 'Invite').click()
  await heading(page, 'Users')
  await said(page, 'This email already has an account.')
  await link(page, email).waitFor()
})

test('a login that is long ago is proved again before a user is locked', async () => {
  const who = await registered()
  const page = await operate(root, [[401, `/api/users/${who.id}/`]])
  await open(page, who)
  const path = `${stage.server.url}/api/users/${who.id}/`
  let isDemanded = false
  await page.route(path, (route) => {
    if (route.request().method() !== 'PATCH' || isDemanded) return route.fallback()
    isDemanded = true
    return route.fulfill({
      status: 401,
      headers: {
        'Content-Type': 'application/problem+json',
        'Access-Control-Allow-Origin': stage.site.origin,
        'Access-Control-Expose-Headers': 'WWW-Authenticate',
        'WWW-Authenticate': 'Bearer error="insufficient_user_authentication", max_age="3600"',
      },
      body: JSON.stringify({
        code: 'reauthentication_required',
        status: 401,
        detail: 'Prove it.',
        max_age: 3600,
        factors: ['password', 'email_code'],
      }),
    })
  })
  await button(page, 'Lock the account').click()
  await said(page, 'Your login was a while ago. Confirm that it is you.')
  expect(await focused(page)).toBe('proof')
  expect(await axeFindings(page)).toEqual([])
  await fill(page, { 'Your password': root.password })
  await button(page, 'Continue').click()
  await said(page, 'The account is locked. All its sessions have ended.')
})

test('somebody else’s change is seen before one’s own is made', async () => {
  const who = await registered()
  const page = await operate(root, [[412, `/api/users/${who.id}/`]])
  await open(page, who)
  command(['user', 'deactivate', who.email])
  await button(page, 'Lock the account').click()
  await said(page, 'It was changed elsewhere meanwhile. This is it now.')
  await button(page, 'Unlock the account').waitFor()
  await page
    .getByText(/by a command/)
    .first()
    .waitFor()
})

test('the page can be walked with the keyboard alone', async () => {
  const page = await operate()
  const tab = async (name: string) => {
    await page.keyboard.press('Tab')
    expect(await whereFocused(page)).toMatchObject({ name, outlined: true })
  }
  await page.locator('#heading').focus()
  await tab('Email begins with')
  await page.keyboard.type(root.email)
  for (const stop of ['State', 'Email is', 'Role', 'Search']) await tab(stop)
  await page.keyboard.press('Enter')
  await expect.poll(() => focused(page)).toBe('heading')
  await expect.poll(() => rows(page).count()).toBe(1)
  for (const stop of ['Email begins with', 'State', 'Email is', 'Role', 'Search', root.email]) await tab(stop)
  await page.keyboard.press('Enter')
  await heading(page, 'User')
  await loaded(page)
  await tab('Lock the account')
  await tab('Mail a password reset')
  await tab('End all sessions')
})

describe.each(['light', 'dark'] as const)('the operators’ page in %s', (colorScheme) => {
  test.each([1280, 320])('has nothing that axe finds, at %d px', async (width) => {
    const who = await registered()
    const viewport = { width, height: 700 }
    const page = await operate(root, [], { colorScheme, reducedMotion: 'reduce', viewport })
    const findings: Record<string, string[]> = {}
    const look = async (view: string) => {
      await loaded(page)
      findings[view] = await axeFindings(page)
    }
    await look('users')
    await open(page, who)
    await look('user')
    await link(page, 'Activity').click()
    await heading(page, 'Activity')
    await look('events')
    await link(page, 'Invite').click()
    await heading(page, 'Invite somebody')
    await button(page, 'Invite').click()
    await said(page, 'Please check the marked fields.')
    await look('invite')
    await button(page, 'Log out').click()
    await heading(page, 'Log in')
    await look('login')
    expect(Object.keys(findings)).toHaveLength(5)
    expect(Object.values(findings).flat()).toEqual([])
  })
})
