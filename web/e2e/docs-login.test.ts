import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ada,
  authorize,
  authorizeButton,
  authorized,
  closed,
  dialog,
  execute,
  fillIn,
  lock,
  me,
  open,
  operation,
  tokenPath,
  unfold,
  openDocsSite,
  type DocsSite,
} from './docs-page.ts'

let docs: DocsSite
beforeAll(async () => {
  docs = await openDocsSite()
})
afterAll(() => docs.stop())

/** Makes an operator with Ada's password, whose email begins with the name. */
function makeOperator(username: string): void {
  const { binary, folder, env } = docs.server
  const args = ['user', 'create', '--email', `${username}@example.com`, '--username', username, '--superuser']
  execFileSync(binary, [...args, '--password-stdin'], { cwd: folder, env, input: `${ada.password}\n`, stdio: 'pipe' })
}

async function logIn(): Promise<{ access_token: string; refresh_token: string }> {
  const answer = await fetch(`${docs.server.url}${tokenPath}`, {
    method: 'POST',
    body: new URLSearchParams({ username: ada.email, password: ada.password }),
  })
  return (await answer.json()) as { access_token: string; refresh_token: string }
}

describe('/docs', () => {
  test('logs in, shows who that is, and logs out', async () => {
    const page = await docs.open({ errors: [docs.refused('/api/users/me/')] })
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
    const page = await docs.open({ errors: [docs.refused('/api/users/me/')] })
    const { access_token } = await logIn()
    await authorizeButton(page).click()
    await dialog(page).getByText('Use an access token instead').click()
    await dialog(page).getByLabel('Access token').fill(`Bearer ${access_token}`)
    await dialog(page).getByRole('button', { name: 'Use the token' }).click()
    await page.getByText('Authorized with a token').waitFor()
    await unfold(page, 'users', 'GetCurrentUser')
    expect(await execute(page, 'users', 'GetCurrentUser')).toMatchObject({ status: '200' })

    const ended = await fetch(`${docs.server.url}/api/users/logout/`, {
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
    const page = await docs.open({ errors: [docs.refused(tokenPath)] })
    await authorize(page, 'not her password')
    await dialog(page).getByRole('alert').getByText('Authentication was unsuccessful.', { exact: true }).waitFor()
    // Nothing behind the dialog says it once more.
    expect(await page.getByText('Authentication was unsuccessful.').count()).toBe(1)
    expect(await lock(page)).toBe(open)
  })

  test('registers another user each time, and the forms of a login begin with the last one', async () => {
    const page = await docs.open()
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
    const page = await docs.open({
      errors: [docs.refused(tokenPath), docs.refused(tokenPath, '422 (Unprocessable Entity)')],
    })
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
    // The fields that were typed before are sent too: the page shows the error, and the session
    // stays.
    expect(await fillIn(page, { grant_type: 'refresh_token', refresh_token })).toMatchObject({
      status: '422',
      body: { errors: [{ pointer: '/password' }, { pointer: '/username' }] },
    })
    expect(await fillIn(page, { username: '', password: '' })).toMatchObject({ status: '200' })
  })

  test('refreshes with what a reader of the page fills in', async () => {
    const page = await docs.open()
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
    const page = await docs.open({ errors: [docs.refused('/api/users/?limit=50', '403 (Forbidden)')] })
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
    const answer = await fetch(`${docs.server.url}${tokenPath}`, {
      method: 'POST',
      body: new URLSearchParams({
        username: 'joan-the-operator@example.com',
        password: ada.password,
        scope: 'users:read',
      }),
    })
    const { access_token } = (await answer.json()) as { access_token: string }
    const page = await docs.open()
    await operation(page, 'operators', 'ListUsers').locator('.authorization__btn').click()
    await dialog(page).getByText('Use an access token instead').click()
    await dialog(page).getByLabel('Access token').fill(access_token)
    await dialog(page).getByRole('button', { name: 'Use the token' }).click()
    await unfold(page, 'operators', 'ListUsers')
    expect(await execute(page, 'operators', 'ListUsers')).toMatchObject({ status: '200' })
  })

  test('is operated with the keyboard: the dialog takes the focus, Enter logs in, and Escape gives the focus back', async () => {
    const page = await docs.open()
    await authorizeButton(page).focus()
    await page.keyboard.press('Enter')
    await dialog(page).waitFor()
    // Around the dialog and the browser's own controls, where the page has no focus, and never
    // behind the dialog.
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
    const page = await docs.open()
    await authorize(page, ada.password)
    await authorized(page).waitFor()
    expect(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie])).toEqual([0, 0, ''])
    await page.reload()
    await me(page).waitFor()
    expect(await lock(page)).toBe(open)
  })
})
