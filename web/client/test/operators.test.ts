import { execFileSync } from 'node:child_process'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { mailTo } from '../../e2e/mails.ts'
import { startServer, type Server } from '../../e2e/server.ts'
import { account } from '../dist/account.js'
import type { Registration } from '../dist/index.js'
import { operators, type ManagedUser } from '../dist/operators.js'
import { listening as listeningTo, someone } from './person.ts'

let server: Server
const root = someone()
beforeAll(async () => {
  server = await startServer({ LATCHKEY_RATE_LIMITS: 'off' })
  const args = ['user', 'create', '--email', root.email, '--username', root.username, '--superuser', '--password-stdin']
  const { binary, folder, env } = server
  execFileSync(binary, args, { cwd: folder, env, input: `${root.password}\n`, stdio: 'pipe' })
})
afterAll(() => server.stop())

const scope = 'users:read users:write sessions:end events:read'
const listening = () => listeningTo({ baseUrl: server.url })

/** Somebody who has logged in as an operator. */
async function operating(who: Registration = root, asked: { scope?: string } = { scope }) {
  const { auth, changes } = listening()
  const { email, password } = who
  expect(await auth.login({ email, password, ...asked })).toMatchObject({ ok: true })
  return { auth, changes, admin: operators(auth) }
}

/** Somebody who has registered, as the operator sees them. */
async function registered() {
  const who = someone()
  const { auth, changes } = listening()
  const result = await auth.register(who)
  if (!result.ok || !('id' in result.data)) throw new Error('not registered')
  return { who, auth, changes, id: result.data.id }
}

test('users are found, in pages that neither repeat nor leave out', async () => {
  const { admin } = await operating()
  const made = [await registered(), await registered(), await registered()]
  const found: string[] = []
  for await (const page of admin.listUsers({ limit: 2 })) {
    if (!page.ok) throw new Error(page.error.code)
    found.push(...page.data.users.map((user) => user.id))
  }
  expect(new Set(found).size).toBe(found.length)
  expect(found.slice(0, 3)).toEqual(made.map(({ id }) => id).reverse())

  const one = made[0]?.who.email ?? ''
  expect(await admin.listUsers({ email_prefix: one.slice(0, -8), is_active: true })).toMatchObject({
    data: { users: [{ email: one }] },
  })
  const first = await admin.listUsers({ limit: 1 })
  if (!first.ok || first.data.next === undefined) throw new Error('no next page')
  // A cursor of another filter.
  expect(await admin.listUsers({ cursor: first.data.next, role: 'support' })).toMatchObject({
    error: { code: 'invalid_request', errors: [{ pointer: '/query/cursor' }] },
  })
})

test('a locked user is out at once, and an operator who has not seen it changes nothing', async () => {
  const { admin } = await operating()
  const { who, auth, changes, id } = await registered()
  const read = await admin.getUser(id)
  if (!read.ok) throw new Error(read.error.code)
  const locked = await admin.updateUser(read.data, { is_active: false })
  if (!locked.ok) throw new Error(locked.error.code)
  expect(locked.data.user.is_active).toBe(false)
  expect(await auth.me()).toMatchObject({ ok: false })
  expect(changes.at(-1)).toEqual({ type: 'signed_out', reason: 'refused' })
  expect(await auth.login(who)).toMatchObject({ ok: false })

  expect(await admin.updateUser(read.data, { display_name: 'Ada' })).toMatchObject({
    error: { code: 'precondition_failed', status: 412 },
  })
  expect(await admin.updateUser(locked.data, { is_active: true })).toMatchObject({ ok: true })
  expect(await auth.login(who)).toMatchObject({ ok: true })
  const types: string[] = []
  for await (const page of admin.listEvents({ user_id: id, limit: 2 })) {
    if (!page.ok) throw new Error(page.error.code)
    types.push(...page.data.events.filter((event) => event.actor === 'operator').map((event) => event.type))
  }
  expect(types).toEqual(['user.activated', 'user.deactivated'])
})

test('sessions are seen and ended, a password reset is mailed, and an account deleted', async () => {
  const { admin } = await operating()
  const { who, auth, id } = await registered()
  expect(await admin.sessions(id)).toMatchObject({ data: [{ is_current: false }] })
  expect(await admin.endSessions(id)).toEqual({ ok: true, data: undefined })
  expect(await auth.me()).toMatchObject({ ok: false })
  expect(await admin.sessions(id)).toEqual({ ok: true, data: [] })

  expect(await admin.sendPasswordReset(id)).toEqual({ ok: true, data: undefined })
  await mailTo(server.dataDir, who.email, 'operator_reset')

  expect(await admin.deleteUser(id)).toEqual({ ok: true, data: undefined })
  expect(await admin.getUser(id)).toMatchObject({ error: { code: 'account_not_found', status: 404 } })
})

test('an operator gets what the roles hold, and an everyday login nothing', async () => {
  const { admin } = await operating()
  const { who, id } = await registered()
  const read = await admin.getUser(id)
  if (!read.ok) throw new Error(read.error.code)
  expect(await admin.updateUser(read.data, { roles: ['support'] })).toMatchObject({
    data: { user: { roles: ['support'] satisfies ManagedUser['roles'] } },
  })
  const support = await operating(who)
  expect(await support.admin.listUsers({ role: 'support' })).toMatchObject({ data: { users: [{ id }] } })
  const refused = { error: { code: 'insufficient_scope', status: 403, scopes: ['users:write'] } }
  expect(await support.admin.deleteUser(id)).toMatchObject(refused)
  expect(await support.admin.inviteUser({ email: 'grace@example.com' })).toMatchObject(refused)
  expect(support.changes).toEqual([{ type: 'signed_in' }])

  const everyday = await operating(root, {})
  expect(await everyday.admin.listUsers()).toMatchObject({ error: { code: 'insufficient_scope' } })
  expect(await account(everyday.auth).read()).toMatchObject({ ok: true })
  const { auth } = listening()
  expect(await auth.login({ ...root, scope: 'users:everything' })).toMatchObject({
    error: { code: 'invalid_scope', status: 400 },
  })
})

test('somebody who is invited gets a mail, and the last superuser stays', async () => {
  const { auth, admin } = await operating()
  const email = someone().email
  const invited = await admin.inviteUser({ email, roles: ['support'] })
  if (!invited.ok) throw new Error(invited.error.code)
  expect(invited.data.user).toMatchObject({ email, roles: ['support'], has_password: false })
  await mailTo(server.dataDir, email, 'invitation')
  expect(await admin.inviteUser({ email })).toMatchObject({ error: { code: 'email_taken' } })

  const me = await auth.me()
  if (!me.ok) throw new Error(me.error.code)
  const mine = await admin.getUser(me.data.id)
  if (!mine.ok) throw new Error(mine.error.code)
  expect(await admin.updateUser(mine.data, { roles: [] })).toMatchObject({ error: { code: 'last_superuser' } })
  expect(await admin.deleteUser(me.data.id)).toMatchObject({ error: { code: 'last_superuser' } })
})
