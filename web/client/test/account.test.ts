import { afterAll, beforeAll, expect, test } from 'vitest'

import { mailTo } from '../../e2e/mails.ts'
import { startServer, type Server } from '../../e2e/server.ts'
import { account } from '../dist/account.js'
import { memoryStorage, type Registration } from '../dist/index.js'
import { listening as listeningTo, someone } from './person.ts'

// A server of its own: how many users one address may register is limited.
let server: Server
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

const listening = (options: Parameters<typeof listeningTo>[0] = {}) => listeningTo({ baseUrl: server.url, ...options })

const other = 'violet anchor prints slowly'

/** Somebody who is logged in. */
async function loggedIn(who: Registration = someone()) {
  const storage = memoryStorage()
  const { auth, changes } = listening({ storage })
  const registered = await auth.register(who)
  if (!registered.ok) throw new Error(registered.error.code)
  return { who, auth, changes, storage, mine: account(auth) }
}

/** A further login of somebody, in a client of its own. */
async function elsewhere(who: Registration) {
  const { auth, changes } = listening()
  expect(await auth.login(who)).toMatchObject({ ok: true })
  return { auth, changes, mine: account(auth) }
}

function tokensOf(storage: { get(): string | null }): Record<string, unknown> {
  return JSON.parse(storage.get() ?? '{}') as Record<string, unknown>
}

test('an account is for a client of createClient alone', () => {
  expect(() => account({} as never)).toThrow(TypeError)
})

test('a change reaches only what it names, and only the state that it was made for', async () => {
  const { mine, who } = await loggedIn()
  const read = await mine.read()
  if (!read.ok) throw new Error(read.error.code)
  expect(read.data.user).toMatchObject({ username: who.username, user_metadata: {} })

  const changes = { display_name: 'Ada', locale: 'de', user_metadata: { theme: 'dark' } }
  const changed = await mine.update(changes, { ifMatch: read.data.etag })
  if (!changed.ok) throw new Error(changed.error.code)
  expect(changed.data.user).toMatchObject({ username: who.username, ...changes })
  expect(await mine.update({ display_name: null }, { ifMatch: read.data.etag })).toMatchObject({
    error: { code: 'precondition_failed', status: 412 },
  })
  expect(await mine.read()).toEqual(changed)
  const removed = await mine.update({ display_name: null })
  expect(removed).toMatchObject({ ok: true, data: { user: { locale: 'de' } } })
  expect(removed.ok && removed.data.user).not.toHaveProperty('display_name')

  const { who: taken } = await loggedIn()
  expect(await mine.update({ username: taken.username })).toMatchObject({ error: { code: 'username_taken' } })
  expect(await mine.update({ username: 'a b' })).toMatchObject({
    error: { code: 'invalid_request', errors: [{ pointer: '/username', code: 'invalid_format' }] },
  })
})

test('another password ends the other sessions, and keeps the own', async () => {
  const { mine, auth, who, changes } = await loggedIn()
  const { auth: phone, changes: phoneChanges } = await elsewhere(who)
  expect(await mine.changePassword({ current_password: 'not this one', new_password: other })).toMatchObject({
    error: { code: 'wrong_password', status: 403 },
  })
  expect(await mine.changePassword({ current_password: who.password, new_password: 'password1' })).toMatchObject({
    error: { code: 'invalid_request', errors: [{ pointer: '/new_password', code: 'common_password' }] },
  })
  const change = { current_password: who.password, new_password: other }
  expect(await mine.changePassword(change)).toEqual({ ok: true, data: undefined })

  expect(await auth.me()).toMatchObject({ ok: true })
  expect(changes).toEqual([{ type: 'signed_in' }])
  expect(await phone.me()).toMatchObject({ error: { code: 'invalid_token' } })
  expect(phoneChanges.at(-1)).toEqual({ type: 'signed_out', reason: 'refused' })
  expect(await phone.login(who)).toMatchObject({ error: { code: 'invalid_credentials' } })
  expect(await phone.login({ ...who, password: other })).toMatchObject({ ok: true })
})

test('a proof replaces the tokens, and the session is the same', async () => {
  const { mine, auth, who, changes, storage } = await loggedIn()
  const before = tokensOf(storage)
  expect(await mine.reauthenticate({ factor: 'password', password: 'not this one' })).toMatchObject({
    error: { code: 'wrong_password' },
  })
  expect(tokensOf(storage)).toEqual(before)
  expect(await mine.reauthenticate({ factor: 'password', password: who.password })).toEqual({
    ok: true,
    data: undefined,
  })
  const after = tokensOf(storage)
  expect(after.access_token).not.toBe(before.access_token)
  expect(after.login).toBe(before.login)
  expect(changes).toEqual([{ type: 'signed_in' }])
  expect(await auth.me()).toMatchObject({ ok: true })
  // What the former access token belongs to, a refresh goes on with.
  storage.set(JSON.stringify({ ...after, expires_in: 1, since: Date.now() - 2000 }))
  expect(await auth.me()).toMatchObject({ ok: true })
  expect(await mine.sessions()).toMatchObject({ data: [{ is_current: true }] })
})

test('deleting the account logs out, here and at the server', async () => {
  const { mine, auth, who, changes, storage } = await loggedIn()
  expect(await mine.delete()).toEqual({ ok: true, data: undefined })
  expect(changes).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'logout' }])
  expect(auth.isAuthenticated()).toBe(false)
  expect(storage.get()).toBeNull()
  expect(await mine.delete()).toMatchObject({ error: { code: 'not_authenticated' } })
  expect(await auth.login(who)).toMatchObject({ error: { code: 'invalid_credentials' } })
})

test('the events of an account come in pages, and say what happened', async () => {
  const { mine, who } = await loggedIn()
  await mine.changePassword({ current_password: who.password, new_password: other })
  const first = await mine.events({ limit: 1 })
  if (!first.ok) throw new Error(first.error.code)
  expect(first.data.events).toMatchObject([{ type: 'password.changed', actor: 'user' }])
  const types: string[] = []
  for (let cursor = first.data.next; cursor !== undefined;) {
    const page = await mine.events({ cursor, limit: 1 })
    if (!page.ok) throw new Error(page.error.code)
    types.push(...page.data.events.map((event) => event.type))
    cursor = page.data.next
  }
  expect(types).toContain('user.registered')
  expect(await mine.events({ limit: 0 })).toMatchObject({
    error: { code: 'invalid_request', errors: [{ pointer: '/query/limit' }] },
  })
})

test('sessions are listed and ended, one of them and all', async () => {
  const { mine, auth, who, changes } = await loggedIn()
  const { auth: phone } = await elsewhere(who)
  const listed = await mine.sessions()
  if (!listed.ok) throw new Error(listed.error.code)
  expect(listed.data.map((session) => session.is_current).sort()).toEqual([false, true])
  const theirs = listed.data.find((session) => !session.is_current)?.id ?? ''
  expect(await mine.endSession(theirs)).toEqual({ ok: true, data: undefined })
  expect(await phone.me()).toMatchObject({ error: { code: 'invalid_token' } })
  expect(await mine.endSession(theirs)).toMatchObject({ error: { code: 'session_not_found', status: 404 } })
  expect(await mine.endSession('../x?y#z')).toMatchObject({ error: { code: 'session_not_found' } })
  expect(await auth.me()).toMatchObject({ ok: true })

  expect(await mine.endAllSessions()).toEqual({ ok: true, data: undefined })
  expect(changes).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'logout' }])
})

test('an email is verified by the code of a mail', async () => {
  const { mine, auth, who, changes } = await loggedIn()
  expect(await mine.requestEmailVerification()).toMatchObject({ ok: true, data: { expires_in: 600 } })
  const { code } = await mailTo(server.dataDir, who.email, 'verify_email')
  // The session goes on: it is the code that is refused, not the token.
  const wrong = { code: code === '00000000' ? '00000001' : '00000000' }
  expect(await mine.confirmEmailVerification(wrong)).toMatchObject({ error: { code: 'invalid_code', status: 401 } })
  expect(changes).toEqual([{ type: 'signed_in' }])
  expect(await mine.confirmEmailVerification({ code })).toEqual({ ok: true, data: undefined })
  expect(await auth.me()).toMatchObject({ data: { email_verified: true } })
  expect(await mine.requestEmailVerification()).toMatchObject({ error: { code: 'email_verified', status: 409 } })
})

test('a wrong code is one try, and refreshes nothing', async () => {
  const { who, auth: first } = await loggedIn()
  first.close()
  const sent: string[] = []
  const send = (request: Request) => {
    sent.push(new URL(request.url).pathname)
    return fetch(request)
  }
  const { auth } = listening({ fetch: send as typeof fetch })
  await auth.login(who)
  const mine = account(auth)
  await mine.requestEmailVerification()
  sent.length = 0
  await mine.confirmEmailVerification({ code: '00000000' })
  expect(sent).toEqual(['/api/users/me/email/verification/confirm/'])
})

test('another email counts once its code has come, and the former address can undo it', async () => {
  const { mine, auth, who } = await loggedIn()
  const next = someone().email
  const asked = await mine.requestEmailChange(next)
  if (!asked.ok) throw new Error(asked.error.code)
  expect(await auth.me()).toMatchObject({ data: { email: who.email } })
  const { code } = await mailTo(server.dataDir, next, 'change_email')
  expect(await mine.confirmEmailChange({ code, request: asked.data.request })).toEqual({ ok: true, data: undefined })
  expect(await auth.me()).toMatchObject({ data: { email: next, email_verified: true } })
  expect(await mine.confirmEmailChange({ code })).toMatchObject({ error: { code: 'invalid_code' } })
  // The answer is the same for an address that belongs to somebody else.
  const { who: another } = await loggedIn()
  expect(await mine.requestEmailChange(another.email)).toMatchObject({ ok: true, data: { expires_in: 600 } })
})

test('a code of a mail proves who the user is, as the password does', async () => {
  const { mine, who, storage, changes } = await loggedIn()
  const before = tokensOf(storage)
  const asked = await mine.requestLoginCode(who.email)
  if (!asked.ok) throw new Error(asked.error.code)
  const { request } = asked.data
  const { code } = await mailTo(server.dataDir, who.email, 'login_code')
  const wrong = code === '00000000' ? '00000001' : '00000000'
  expect(await mine.reauthenticate({ factor: 'email_code', request, code: wrong })).toMatchObject({
    error: { code: 'invalid_code', status: 401 },
  })
  expect(await mine.reauthenticate({ factor: 'email_code', request, code })).toMatchObject({ ok: true })
  const after = tokensOf(storage)
  expect([after.access_token === before.access_token, after.login]).toEqual([false, before.login])
  expect(changes).toEqual([{ type: 'signed_in' }])
})

test('a forgotten password is replaced by the code of a mail, and all sessions end', async () => {
  const { auth, who } = await loggedIn()
  const { auth: visitor, changes } = listening()
  const lost = account(visitor)
  const asked = await lost.requestPasswordReset(who.email)
  if (!asked.ok) throw new Error(asked.error.code)
  const { code } = await mailTo(server.dataDir, who.email, 'reset_password')
  const { request } = asked.data
  expect(await lost.confirmPasswordReset({ request, code, new_password: 'short' })).toMatchObject({
    error: { code: 'invalid_request', errors: [{ pointer: '/new_password', code: 'too_short' }] },
  })
  expect(await lost.confirmPasswordReset({ code, new_password: other })).toMatchObject({
    error: { code: 'invalid_code' },
  })
  expect(await lost.confirmPasswordReset({ request, code, new_password: other })).toEqual({ ok: true, data: undefined })
  expect(changes).toEqual([])
  expect(await auth.me()).toMatchObject({ error: { code: 'invalid_token' } })
  expect(await visitor.login({ ...who, password: other })).toMatchObject({ ok: true })
  expect(await lost.confirmPasswordReset({ request, code, new_password: other })).toMatchObject({
    error: { code: 'invalid_code' },
  })
})

test('the answer is the same for an address without an account', async () => {
  const lost = account(listening().auth)
  for (const asked of [
    await lost.requestPasswordReset(someone().email),
    await lost.requestLoginCode(someone().email),
  ]) {
    expect(asked).toMatchObject({ ok: true, data: { expires_in: 600 } })
  }
  expect(await lost.requestLoginCode('nobody')).toMatchObject({
    error: { code: 'invalid_request', errors: [{ pointer: '/email' }] },
  })
})

test('a login by code begins a session, as one by password does, and ends the one before', async () => {
  const { who } = await loggedIn()
  const { auth: before, mine, storage, changes } = await loggedIn()
  const left = tokensOf(storage).access_token
  const asked = await mine.requestLoginCode(who.email)
  if (!asked.ok) throw new Error(asked.error.code)
  const { request } = asked.data
  const { code } = await mailTo(server.dataDir, who.email, 'login_code')
  expect(await mine.continueLogin({ request, code: '12' })).toMatchObject({ error: { code: 'invalid_request' } })
  const begun = await mine.continueLogin({ request, code })
  if (!begun.ok) throw new Error(begun.error.code)
  expect(begun.data.expiresAt?.getTime()).toBeGreaterThan(Date.now())
  expect(await before.me()).toMatchObject({ data: { email: who.email, email_verified: true } })
  expect(changes).toEqual([{ type: 'signed_in' }, { type: 'signed_in' }])
  expect(await mine.continueLogin({ request, code })).toMatchObject({ error: { code: 'invalid_code' } })
  const statusOfLeft = async () => {
    const headers = { Authorization: `Bearer ${String(left)}` }
    return (await fetch(`${server.url}/api/users/me/`, { headers })).status
  }
  await expect.poll(statusOfLeft).toBe(401)
})
