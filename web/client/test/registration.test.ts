import { execFileSync } from 'node:child_process'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { mailTo } from '../../e2e/mails.ts'
import { startServer, type Server } from '../../e2e/server.ts'
import { account } from '../dist/account.js'
import { listening, someone } from './person.ts'

let server: Server
beforeAll(async () => {
  server = await startServer({ LATCHKEY_REGISTRATION: 'verified', LATCHKEY_REQUIRE_VERIFIED_EMAIL: 'on' })
})
afterAll(() => server.stop())

test('a registration that has to be proved logs in once its code has come', async () => {
  const { auth, changes } = listening({ baseUrl: server.url })
  const mine = account(auth)
  const ada = someone()
  const asked = await auth.register(ada)
  if (!asked.ok) throw new Error(asked.error.code)
  if (!('request' in asked.data)) throw new Error('logged in at once')
  expect(asked.data.expires_in).toBe(600)
  expect(changes).toEqual([])
  expect(auth.isAuthenticated()).toBe(false)

  const { request } = asked.data
  const { code } = await mailTo(server.dataDir, ada.email, 'complete_registration')
  const wrong = code === '00000000' ? '00000001' : '00000000'
  expect(await mine.completeRegistration({ request, code: wrong })).toMatchObject({ error: { code: 'invalid_code' } })
  const completed = await mine.completeRegistration({ request, code })
  expect(completed).toMatchObject({ ok: true, data: { email: ada.email, email_verified: true } })
  expect(completed.ok && completed.data).not.toHaveProperty('token')
  expect(changes).toEqual([{ type: 'signed_in' }])
  expect(await auth.me()).toEqual(completed)
})

test('a login that waits for a proof of the email goes on with what it was answered', async () => {
  const ada = someone()
  const args = ['user', 'create', '--email', ada.email, '--username', ada.username, '--password-stdin']
  execFileSync(server.binary, args, { cwd: server.folder, env: server.env, input: `${ada.password}\n`, stdio: 'pipe' })
  const { auth, changes } = listening({ baseUrl: server.url })
  const held = await auth.login(ada)
  if (held.ok || held.error.code !== 'email_unverified') throw new Error('not held')
  expect(held.error).toMatchObject({ status: 403, expires_in: 600, factors: ['email_code'] })
  expect(changes).toEqual([])
  const { code } = await mailTo(server.dataDir, ada.email, 'continue_login')
  expect(await account(auth).continueLogin({ request: held.error.request, code })).toMatchObject({ ok: true })
  expect(await auth.me()).toMatchObject({ data: { email_verified: true } })
})

test.each([{ request: undefined }, { expires_in: '600' }, { factors: 'email_code' }])(
  'a login that is held with %o is an unexpected answer',
  async (wrong) => {
    const held = { request: 'lkq_', expires_in: 600, factors: ['email_code'] }
    const problem = { code: 'email_unverified', status: 403, detail: 'Prove it.', ...held }
    const answer = (body: object) => () => Promise.resolve(Response.json(body, { status: 403 }))
    expect(await listening({ fetch: answer(problem) }).auth.login(someone())).toMatchObject({ error: problem })
    expect(await listening({ fetch: answer({ ...problem, ...wrong }) }).auth.login(someone())).toMatchObject({
      error: { code: 'unexpected_answer' },
    })
  },
)
