import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { lock, me, open, operation, unfold, openDocsSite, type DocsSite } from './docs-page.ts'

let docs: DocsSite
beforeAll(async () => {
  docs = await openDocsSite()
})
afterAll(() => docs.stop())

describe('/docs', () => {
  test('lists the operations folded, with an open lock at those that ask for a token', async () => {
    const page = await docs.open()
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
    const page = await docs.open()
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

  test('opens at the operation that a link names', async () => {
    const page = await docs.open({}, '#/users/GetCurrentUser')
    await me(page).getByRole('button', { name: 'Execute' }).waitFor()
    expect(await page.locator('.opblock.is-open').count()).toBe(1)
  })

  test('keeps what it folds within reach', async () => {
    const page = await docs.open({}, '#/users/GetCurrentUser')
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
    const page = await docs.open({
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
