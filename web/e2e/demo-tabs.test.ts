import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { button, heading, said, signUp, somebody } from './demo-person.ts'
import { closeStage, openStage, visit, type Stage } from './demo-site.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => closeStage(stage))

/** Opens a further tab of the demo from a page, as Duplicate does: with what that page has in its own storage. */
async function duplicate(page: Page): Promise<Page> {
  const [opened] = await Promise.all([
    page.context().waitForEvent('page'),
    page.evaluate(() => void window.open(location.href)),
  ])
  return opened
}

test('the demo knows in every tab who is logged in, also once somebody else is', async () => {
  const first = await visit(stage)
  const who = somebody()
  await signUp(first, who)
  const second = await duplicate(first)
  const third = await first.context().newPage()
  await third.goto(stage.site.origin)
  for (const page of [first, second, third]) await page.getByText(who.email, { exact: true }).waitFor()

  await button(second, 'Log out').click()
  for (const page of [first, second, third]) {
    await heading(page, 'Log in')
    await said(page, 'You are logged out.')
  }
  const other = somebody()
  await signUp(third, other)
  for (const page of [first, second, third]) {
    await page.getByText(other.email, { exact: true }).waitFor()
    await said(page, 'You are logged in.')
  }

  // In a tab that still shows the form, since the others' news is on its way, somebody logs in over
  // the one before.
  await third.evaluate(
    async ({ url, email, password }) => {
      const body = new URLSearchParams({ username: email, password })
      const answer = await fetch(`${url}/api/users/login/token/`, { method: 'POST', body })
      const session: unknown = { ...((await answer.json()) as object), since: Date.now(), login: Math.random() }
      localStorage.setItem('latchkey', JSON.stringify(session))
    },
    { url: stage.server.url, ...who },
  )
  for (const page of [first, second]) {
    await page.getByText(who.email, { exact: true }).waitFor()
    expect(await page.getByText(other.email, { exact: true }).count()).toBe(0)
  }
})
