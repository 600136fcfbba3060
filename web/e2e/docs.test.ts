import { execFileSync } from 'node:child_process'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchBrowser, openPage, type Expected } from './browser.ts'
import { startServer, type Server } from './server.ts'

const ada = { email: 'ada@example.com', username: 'ada', password: 'correct horse battery staple' }

let server: Server
let browser: Browser
beforeAll(async () => {
  server = await startServer()
  browser = await launchBrowser()
  expect((await register(ada)).status).toBe(201)
})
afterAll(async () => {
  await browser.close()
  await server.stop()
})

function register(user: typeof ada): Promise<Response> {
  return fetch(`${server.url}/api/users/`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(user),
  })
}

/** Makes an operator with Ada's password, whose email begins with the name. */
function makeOperator(username: string): void {
  const { binary, folder, env } = server
  const args = ['user', 'create', '--email', `${username}@example.com`, '--username', username, '--superuser']
  execFileSync(binary, [...args, '--password-stdin'], { cwd: folder, env, input: `${ada.password}\n`, stdio: 'pipe' })
}

async function logIn(): Promise<{ access_token: string; refresh_token: string }> {
  const answer = await fetch(`${server.url}${tokenPath}`, {
    method: 'POST',
    body: new URLSearchParams({ username: ada.email, password: ada.password }),
  })
  return (await answer.json()) as { access_token: string; refresh_token: string }
}

/** Opens `/docs` and returns when its operations are there. */
async function openDocs(expected: Partial<Expected> = {}, fragment = ''): Promise<Page> {
  const { page } = await openPage(browser, { origins: [server.url], ...expected })
  await page.goto(`${server.url}/docs${fragment}`)
  await page.locator('.opblock').first().waitFor()
  return page
}

const operation = (page: Page, tag: string, id: string) => page.locator(`#operations-${tag}-${id}`)
const me = (page: Page) => operation(page, 'users', 'GetCurrentUser')
const unfold = (page: Page, tag: string, id: string) =>
  operation(page, tag, id).locator('.opblock-summary-control').click()
const dialog = (page: Page) => page.getByRole('dialog', { name: 'Authorize' })
const authorizeButton = (page: Page) => page.locator('.auth-wrapper .btn.authorize')
const authorized = (page: Page) => page.getByText(`Authorized as ${ada.email}`)

/** Returns the state of the lock at `/api/users/me/`, as a screen reader gets it. */
function lock(page: Page): Promise<string | null> {
  return me(page).locator('.authorization__btn').getAttribute('aria-label')
}
const open = 'authorization button unlocked'
const closed = 'authorization button locked'

async function authorize(page: Page, password: string): Promise<void> {
  await authorizeButton(page).click()
  await dialog(page).getByLabel('Email').fill(ada.email)
  await dialog(page).getByLabel('Password').fill(password)
  await dialog(page).getByRole('button', { name: 'Authorize' }).click()
}

/** Sends the form of an operation, and returns the status and the body that the page shows. */
async function execute(page: Page, tag: string, id: string): Promise<{ status: string; body: unknown }> {
  const block = operation(page, tag, id)
  const answered = page.waitForResponse((response) => response.url().includes('/api/'))
  await block.getByRole('button', { name: 'Execute' }).click()
  const status = String((await answered).status())
  const shown = block.locator('.live-responses-table .response')
  await shown.locator('.response-col_status', { hasText: status }).waitFor()
  return { status, body: JSON.parse(await shown.locator('.highlight-code code').first().innerText()) }
}

/** Fills in fields of the login operation's form, and sends it. */
async function fillIn(page: Page, fields: Record<string, string>) {
  for (const [name, value] of Object.entries(fields)) {
    const row = operation(page, 'tokens', 'Login').locator(`tr[data-property-name="${name}"]`)
    if (name === 'grant_type') await row.locator('select').selectOption(value)
    else await row.locator('input').first().fill(value)
  }
  return execute(page, 'tokens', 'Login')
}

const refused = (path: string, status = '401 (Unauthorized)') =>
  `Failed to load resource: the server responded with a status of ${status} (${server.url}${path})`

const tokenPath = '/api/users/login/token/'

describe('/docs', () => {
  test('lists the operations folded, with an open lock at those that ask for a token', async () => {
    const page = await openDocs()
    expect(await page.title()).toBe('Latchkey API')
    expect(await page.locator('.opblock').evaluateAll((blocks) => blocks.map((block) => block.id))).toEqual([
      'operations-users-RegisterUser',
      'operations-users-GetCurrentUser',
      'operations-users-UpdateCurrentUser',
      'operations-users-DeleteCurrentUser',
      'operations-users-ChangePassword',
      'operations-users-Reauthenticate',
      'operations-users-ListOwnEvents',
      'operations-tokens-Login',
      'operations-tokens-RevokeToken',
      'operations-sessions-Logout',
      'operations-sessions-ListSessions',
      'operations-sessions-EndAllSessions',
      'operations-sessions-EndSession',
      'operations-codes-CompleteRegistration',
      'operations-codes-RequestLoginCode',
      'operations-codes-ContinueLogin',
      'operations-codes-RequestPasswordReset',
      'operations-codes-ConfirmPasswordReset',
      'operations-codes-RequestEmailVerification',
      'operations-codes-ConfirmEmailVerification',
      'operations-codes-RequestEmailChange',
      'operations-codes-ConfirmEmailChange',
      'operations-operators-ListUsers',
      'operations-operators-CreateUser',
      'operations-operators-GetUser',
      'operations-operators-UpdateUser',
      'operations-operators-DeleteUser',
      'operations-operators-ListUserSessions',
      'operations-operators-EndUserSessions',
      'operations-operators-SendUserPasswordReset',
      'operations-operators-ListEvents',
      'operations-keys-GetKeys',
      'operations-keys-GetMetadata',
      'operations-service-GetLiveness',
      'operations-service-GetReadiness',
    ])
    expect(await page.locator('.opblock.is-open, .models.is-open, details[open]').count()).toBe(0)
    expect(await lock(page)).toBe(open)
    // A login needs no token, so there is nothing to unlock.
    const locked = await page
      .locator('.opblock:has(.authorization__btn)')
      .evaluateAll((blocks) => blocks.map(({ id }) => id))
    expect(locked).toContain('operations-users-GetCurrentUser')
    expect(locked).not.toContain('operations-tokens-Login')
  })

  test('folds the errors of an operation, which the keyboard unfolds, and shows for each an answer that has its status', async () => {
    const page = await openDocs()
    await unfold(page, 'users', 'RegisterUser')
    const answers = operation(page, 'users', 'RegisterUser').locator(
      '.responses-table:not(.live-responses-table) .response',
    )
    await answers.first().locator('.highlight-code code').waitFor()
    const visible = () =>
      answers
        .locator('.response-col_status')
        .filter({ visible: true })
        .evaluateAll((cells) => cells.map((cell) => cell.textContent.trim()))
    expect(await visible()).toEqual(['201', '202'])
    await operation(page, 'users', 'RegisterUser').getByText('Errors (9)').focus()
    await page.keyboard.press('Enter')
    expect(await visible()).toEqual(['201', '202', '403', '408', '409', '413', '415', '422', '429', '500', '503'])
    // A title without a choice below it says nothing.
    const choices = page.locator('.response-control-examples').filter({ visible: true })
    expect(await choices.filter({ has: page.locator('option:nth-child(2)') }).count()).toBe(await choices.count())
    const shown = await answers.evaluateAll((rows) =>
      rows.map(
        (row) =>
          [
            row.querySelector('.response-col_status')?.textContent.trim(),
            JSON.parse(row.querySelector('.highlight-code code')?.textContent ?? '{}') as { status?: number },
          ] as const,
      ),
    )
    const errors = shown.filter(([status]) => Number(status) >= 400)
    expect(errors.length).toBeGreaterThan(5)
    expect(errors.map(([, { status }]) => String(status))).toEqual(errors.map(([status]) => status))
  })

  test('logs in, shows who that is, and logs out', async () => {
    const page = await openDocs({ errors: [refused('/api/users/me/')] })
    await authorize(page, ada.password)
    await authorized(page).waitFor()
    expect(await dialog(page).count()).toBe(0)
    expect(await lock(page)).toBe(closed)

    await unfold(page, 'users', 'GetCurrentUser')
    expect(await execute(page, 'users', 'GetCurrentUser')).toEqual({
      status: '200',
      body: expect.objectContaining({ email: ada.email, username: ada.username }) as unknown,
    })
    await me(page).getByText('Request duration').waitFor()
    // The token is longer than a line.
    const curl = me(page).locator('.curl-command pre')
    expect(await curl.evaluate((line) => line.scrollWidth - line.clientWidth)).toBe(0)

    await authorizeButton(page).click()
    await dialog(page).getByRole('button', { name: 'Forget the token' }).click()
    await dialog(page).getByRole('button', { name: 'Close' }).click()
    expect(await lock(page)).toBe(open)
    expect(await execute(page, 'users', 'GetCurrentUser')).toMatchObject({ status: '401', body: { status: 401 } })
    await me(page).getByRole('status').getByText('This operation needs a token.').waitFor()
  })

  test('takes an access token too, and asks to authorize again once it is refused', async () => {
    const page = await openDocs({ errors: [refused('/api/users/me/')] })
    const { access_token } = await logIn()
    await authorizeButton(page).click()
    await dialog(page).getByText('Use an access token instead').click()
    await dialog(page).getByLabel('Access token').fill(`Bearer ${access_token}`)
    await dialog(page).getByRole('button', { name: 'Use the token' }).click()
    await page.getByText('Authorized with a token').waitFor()
    await unfold(page, 'users', 'GetCurrentUser')
    expect(await execute(page, 'users', 'GetCurrentUser')).toMatchObject({ status: '200' })

    const ended = await fetch(`${server.url}/api/users/logout/`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${access_token}` },
    })
    expect(ended.status).toBe(204)
    expect(await execute(page, 'users', 'GetCurrentUser')).toMatchObject({ status: '401' })
    await me(page).getByText('The token has expired, or its session has ended.').waitFor()
    expect(await lock(page)).toBe(open)
    await me(page).getByRole('button', { name: 'Authorize again' }).click()
    await dialog(page).getByLabel('Email').fill(ada.email)
    await dialog(page).getByLabel('Password').fill(ada.password)
    await page.keyboard.press('Enter')
    await authorized(page).waitFor()
    expect(await me(page).getByRole('button', { name: 'Authorize again' }).count()).toBe(0)
  })

  test('says in the dialog that credentials are wrong, and stays open', async () => {
    const page = await openDocs({ errors: [refused(tokenPath)] })
    await authorize(page, 'not her password')
    await dialog(page).getByRole('alert').getByText('Authentication was unsuccessful.', { exact: true }).waitFor()
    // Nothing behind the dialog says it once more.
    expect(await page.getByText('Authentication was unsuccessful.').count()).toBe(1)
    expect(await lock(page)).toBe(open)
  })

  test('registers another user each time, and the forms of a login begin with the last one', async () => {
    const page = await openDocs()
    await unfold(page, 'users', 'RegisterUser')
    const form = operation(page, 'users', 'RegisterUser').getByLabel('Request body')
    const sent: (typeof ada)[] = []
    const send = async () => {
      sent.push(JSON.parse(await form.inputValue()) as typeof ada)
      expect(await execute(page, 'users', 'RegisterUser')).toMatchObject({
        status: '201',
        body: { email: sent.at(-1)?.email },
      })
    }
    await send()
    await send()
    expect(sent[0]?.email).not.toBe(sent[1]?.email)
    const grace = { email: 'grace@example.com', username: 'grace', password: 'a nanosecond of wire', locale: 'en' }
    await form.fill(JSON.stringify(grace))
    await send()
    expect(JSON.parse(await form.inputValue())).toEqual(grace)

    await unfold(page, 'tokens', 'Login')
    expect(await execute(page, 'tokens', 'Login')).toMatchObject({ status: '200' })
    await authorizeButton(page).click()
    expect(await dialog(page).getByLabel('Email').inputValue()).toBe(grace.email)
    await page.keyboard.press('Enter')
    await page.getByText(`Authorized as ${grace.email}`).waitFor()
  })

  test('logs in and refreshes through the login operation, whose form has no credentials in it but what is typed', async () => {
    const page = await openDocs({ errors: [refused(tokenPath), refused(tokenPath, '422 (Unprocessable Entity)')] })
    await unfold(page, 'tokens', 'Login')
    // Credentials that stood there would be sent beside a refresh token, too.
    const fields = operation(page, 'tokens', 'Login').locator('tr[data-property-name] input:not([type=checkbox])')
    expect(await fields.evaluateAll((inputs) => inputs.map((input) => (input as HTMLInputElement).value))).toEqual(
      Array<string>(6).fill(''),
    )
    expect(await execute(page, 'tokens', 'Login')).toMatchObject({ status: '401' })

    const login = await fillIn(page, { username: ada.email, password: ada.password })
    expect(login).toMatchObject({ status: '200', body: { token_type: 'bearer' } })
    const { refresh_token } = login.body as { refresh_token: string }
    // The fields that were typed before are sent too: the page shows the error, and the session stays.
    expect(await fillIn(page, { grant_type: 'refresh_token', refresh_token })).toMatchObject({
      status: '422',
      body: { errors: [{ pointer: '/password' }, { pointer: '/username' }] },
    })
    expect(await fillIn(page, { username: '', password: '' })).toMatchObject({ status: '200' })
  })

  test('refreshes with what a reader of the page fills in', async () => {
    const page = await openDocs()
    const { refresh_token } = await logIn()
    await unfold(page, 'tokens', 'Login')
    const sent = page.waitForRequest((request) => request.method() === 'POST')
    expect(await fillIn(page, { grant_type: 'refresh_token', refresh_token })).toMatchObject({ status: '200' })
    // A field without a value counts as absent, and isn't sent.
    expect([...new URLSearchParams((await sent).postData() ?? '')]).toEqual([
      ['grant_type', 'refresh_token'],
      ['refresh_token', refresh_token],
      ['token_delivery', 'body'],
    ])
  })

  test('lets an operator tick the scopes, and works after that', async () => {
    makeOperator('grace-the-operator')
    const grace = { ...ada, email: 'grace-the-operator@example.com' }
    const page = await openDocs({ errors: [refused('/api/users/?limit=50', '403 (Forbidden)')] })
    const logInAs = async (...scopes: string[]) => {
      await dialog(page).getByLabel('Email').fill(grace.email)
      await dialog(page).getByLabel('Password').fill(grace.password)
      for (const scope of scopes) await dialog(page).getByLabel(scope).check()
      await dialog(page).getByRole('button', { name: 'Authorize' }).click()
      await page.getByText(`Authorized as ${grace.email}`).waitFor()
    }
    await authorizeButton(page).click()
    expect(
      await dialog(page)
        .getByRole('checkbox')
        .evaluateAll((boxes) =>
          boxes.map((box) => [(box as HTMLInputElement).value, (box as HTMLInputElement).checked]),
        ),
    ).toEqual(['users:read', 'users:write', 'sessions:end', 'events:read'].map((scope) => [scope, false]))
    await logInAs()
    await unfold(page, 'operators', 'ListUsers')
    const list = operation(page, 'operators', 'ListUsers')
    expect(await execute(page, 'operators', 'ListUsers')).toMatchObject({
      status: '403',
      body: { scopes: ['users:read'] },
    })
    await list.getByText('Tick the scope.').waitFor()

    await list.getByRole('button', { name: 'Authorize again' }).click()
    await logInAs('users:read', 'events:read')
    await page.getByText(`Authorized as ${grace.email}, for events:read users:read`).waitFor()
    expect(await list.getByText('Tick the scope.').count()).toBe(0)
    expect(await execute(page, 'operators', 'ListUsers')).toMatchObject({
      status: '200',
      body: { users: expect.arrayContaining([expect.objectContaining({ email: grace.email })]) as unknown },
    })
  })

  test('takes an access token for the operations of operators, too', async () => {
    makeOperator('joan-the-operator')
    const answer = await fetch(`${server.url}${tokenPath}`, {
      method: 'POST',
      body: new URLSearchParams({
        username: 'joan-the-operator@example.com',
        password: ada.password,
        scope: 'users:read',
      }),
    })
    const { access_token } = (await answer.json()) as { access_token: string }
    const page = await openDocs()
    await operation(page, 'operators', 'ListUsers').locator('.authorization__btn').click()
    await dialog(page).getByText('Use an access token instead').click()
    await dialog(page).getByLabel('Access token').fill(access_token)
    await dialog(page).getByRole('button', { name: 'Use the token' }).click()
    await unfold(page, 'operators', 'ListUsers')
    expect(await execute(page, 'operators', 'ListUsers')).toMatchObject({ status: '200' })
  })

  test('is operated with the keyboard: the dialog takes the focus, Enter logs in, and Escape gives the focus back', async () => {
    const page = await openDocs()
    await authorizeButton(page).focus()
    await page.keyboard.press('Enter')
    await dialog(page).waitFor()
    // Around the dialog and the browser's own controls, where the page has no focus, and never behind the dialog.
    const passed: (string | undefined)[] = []
    while (passed.length < 11) {
      passed.push(
        await page.evaluate(() => {
          const { activeElement: at } = document
          return at === document.body ? 'the browser' : at?.closest('dialog') ? 'the dialog' : at?.outerHTML
        }),
      )
      await page.keyboard.press('Tab')
    }
    expect(passed).toEqual([...Array<string>(9).fill('the dialog'), 'the browser', 'the dialog'])
    await page.keyboard.press('Escape')
    await dialog(page).waitFor({ state: 'detached' })
    expect(await authorizeButton(page).evaluate((button) => button === document.activeElement)).toBe(true)

    await page.keyboard.press('Enter')
    await page.keyboard.type(ada.email)
    await page.keyboard.press('Tab')
    await page.keyboard.type(ada.password)
    await page.keyboard.press('Enter')
    await authorized(page).waitFor()
    expect(await authorizeButton(page).evaluate((button) => button === document.activeElement)).toBe(true)
    expect(await lock(page)).toBe(closed)
  })

  test('forgets the token with the page', async () => {
    const page = await openDocs()
    await authorize(page, ada.password)
    await authorized(page).waitFor()
    expect(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie])).toEqual([0, 0, ''])
    await page.reload()
    await me(page).waitFor()
    expect(await lock(page)).toBe(open)
  })

  test('opens at the operation that a link names', async () => {
    const page = await openDocs({}, '#/users/GetCurrentUser')
    await me(page).getByRole('button', { name: 'Execute' }).waitFor()
    expect(await page.locator('.opblock.is-open').count()).toBe(1)
  })

  test('keeps what it folds within reach', async () => {
    const page = await openDocs({}, '#/users/GetCurrentUser')
    expect(await page.getByText('RFC 9700').isVisible()).toBe(false)
    await page.getByText('More about this API').click()
    await page.getByText('RFC 9700').waitFor()
    await me(page)
      .getByText(/^Headers \(\d+\)$/)
      .first()
      .click()
    await me(page).getByText('The state of the user').first().waitFor()
  })

  test('lets nothing in from elsewhere, and nothing inline', async () => {
    const page = await openDocs({
      // How many lines the console has for them depends on the browser.
      errors: expect.arrayContaining([
        expect.stringContaining("connect-src 'self'"),
        expect.stringContaining("script-src 'self'"),
      ]),
      violations: [
        expect.stringMatching(/^connect-src: https:\/\/example\.com/),
        expect.stringMatching(/^script-src-elem: inline/),
      ],
    })
    const sent = page.evaluate(() => fetch('https://example.com/').then(String, String))
    expect(await sent).toContain('Failed to fetch')
    await page.evaluate(() => {
      const script = document.createElement('script')
      script.textContent = 'document.title = "inline"'
      document.body.append(script)
    })
    expect(await page.title()).toBe('Latchkey API')
  })
})
