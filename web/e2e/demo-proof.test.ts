import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { axeFindings, loadAxe } from './axe.ts'
import { button, fill, heading, said, somebody } from './demo-person.ts'
import { closeStage, openStage, visit, type Stage } from './demo-site.ts'
import { mailTo } from './mails.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage({ LATCHKEY_REGISTRATION: 'verified', LATCHKEY_REQUIRE_VERIFIED_EMAIL: 'on' })
})
afterAll(() => closeStage(stage))

test('signing up is finished by the code of the mail', async () => {
  const page = await visit(stage)
  await loadAxe(page)
  const who = somebody()
  await page.getByRole('link', { name: 'Sign up' }).click()
  await heading(page, 'Sign up')
  await fill(page, { Email: who.email, Username: who.username, Password: who.password })
  await button(page, 'Sign up').click()
  await heading(page, 'Finish signing up')
  await said(page, 'We have mailed you a code. Enter it to finish.')
  expect(await axeFindings(page)).toEqual([])
  await fill(page, { Code: (await mailTo(stage.server.dataDir, who.email, 'complete_registration')).code })
  await button(page, 'Finish').click()
  await heading(page, 'Your account')
  await page.getByText(who.email, { exact: true }).waitFor()
})

test('a login that waits for a proof of the email goes on with the code, or the link, of its mail', async () => {
  const page = await visit(stage, [[403, '/api/users/login/token/']])
  const who = somebody()
  const { binary, folder, env, dataDir } = stage.server
  const args = ['user', 'create', '--email', who.email, '--username', who.username, '--password-stdin']
  execFileSync(binary, args, { cwd: folder, env, input: `${who.password}\n`, stdio: 'pipe' })
  await fill(page, { Email: who.email, Password: who.password })
  await button(page, 'Log in').click()
  await heading(page, 'Enter the code')
  await said(page, 'Confirm your email first. We have mailed you a code.')
  await page.goto((await mailTo(dataDir, who.email, 'continue_login')).link)
  await heading(page, 'Enter the code')
  await button(page, 'Log in').click()
  await heading(page, 'Your account')
  await page.getByText('verified', { exact: true }).waitFor()
})
