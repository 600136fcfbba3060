import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest'

import { mailTo } from '../../e2e/mails.ts'
import { startServer, type Server } from '../../e2e/server.ts'
import { account } from '../dist/account.js'
import { cookieStorage, createClient, memoryStorage } from '../dist/index.js'
import { expire, listeningTo, someone } from './person.ts'

let server: Server
const origin = 'http://127.0.0.1:7777'
beforeAll(async () => {
  server = await startServer({ LATCHKEY_SESSION_COOKIES: 'on', LATCHKEY_PUBLIC_URL: origin })
})
afterAll(() => server.stop())

// Only a page has tabs.
beforeEach(() => {
  vi.stubGlobal('document', {})
  return () => vi.unstubAllGlobals()
})

let browsers = 0

/** A browser, as far as its one cookie goes: Node keeps none. Each tab is a client of its own. */
function browser() {
  const key = `browser ${++browsers}`
  const jar = { cookie: '', refreshes: 0 }
  const send = async (input: RequestInfo | URL) => {
    const request = new Request(input)
    const isLogin = new URL(request.url).pathname.startsWith('/api/users/login/')
    const hasCookies = request.credentials === 'include'
    if ((await request.clone().text()).includes('grant_type=refresh_token')) jar.refreshes++
    request.headers.set('Origin', origin)
    if (hasCookies && isLogin && jar.cookie !== '') request.headers.set('Cookie', jar.cookie)
    const answer = await fetch(request)
    const set = answer.headers.get('Set-Cookie')?.split(';')[0]
    if (hasCookies && set !== undefined) jar.cookie = set.endsWith('=') ? '' : set
    return answer
  }
  const tab = () => {
    const storage = cookieStorage(key)
    const auth = createClient({ baseUrl: server.url, storage, fetch: send })
    return { ...listeningTo(auth), storage, mine: account(auth) }
  }
  return { jar, tab }
}

test('no script gets to see a refresh token, and the session outlives the page', async () => {
  const { jar, tab } = browser()
  const first = tab()
  const who = someone()
  expect(await first.auth.register(who)).toMatchObject({ ok: true })
  expect(jar.cookie).toMatch(/^latchkey-refresh=lkr_/)
  expect(first.storage.get()).not.toContain('lkr_')
  expect(await first.auth.me()).toMatchObject({ ok: true })
  // The page is left.
  first.auth.close()

  const { auth, changes } = tab()
  expect(auth.isAuthenticated()).toBe(false)
  expect(await Promise.all([auth.resume(), auth.resume()])).toEqual([true, true])
  expect(await auth.me()).toMatchObject({ data: { email: who.email } })
  expect(changes).toEqual([{ type: 'signed_in' }])
  expect(await auth.login(who)).toEqual({ ok: true, data: { expiresAt: null } })
})

test('a refresh takes the cookie, and sets the next', async () => {
  const { jar, tab } = browser()
  const { auth, changes, storage, mine } = tab()
  const who = someone()
  await auth.register(who)
  const before = jar.cookie
  expire(storage)
  expect(await auth.me()).toMatchObject({ ok: true })
  expect([jar.refreshes, jar.cookie === before]).toEqual([1, false])
  expect(await mine.reauthenticate({ factor: 'password', password: who.password })).toMatchObject({ ok: true })
  expect(storage.get()).not.toContain('lkr_')
  expire(storage)
  expect(await auth.me()).toMatchObject({ ok: true })
  // What the cookie has is worth nothing any more.
  jar.cookie = ''
  expire(storage)
  expect(await auth.me()).toMatchObject({ error: { code: 'not_authenticated' } })
  expect(changes).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'refused' }])
})

test.each(['fresh', 'stale'])(
  'a logout with a %s access token ends the session, and removes the cookie',
  async (state) => {
    const { jar, tab } = browser()
    const { auth, storage } = tab()
    const who = someone()
    await auth.register(who)
    const { cookie } = jar
    if (state === 'stale') expire(storage)
    await auth.logout()
    expect(jar.cookie).toBe('')
    expect(await auth.resume()).toBe(false)
    jar.cookie = cookie
    expect(await auth.resume()).toBe(false)
  },
)

test('a login replaces a session and its cookie, also right after a logout that nobody has waited for', async () => {
  const { jar, tab } = browser()
  const { auth, mine, storage } = tab()
  const who = someone()
  await auth.register(who)
  await auth.login(who)
  const count = async () => {
    const listed = await mine.sessions()
    return listed.ok ? listed.data.length : listed.error.code
  }
  await expect.poll(count).toBe(1)
  // The answer that has ended the former session leaves the cookie of this one.
  expect(jar.cookie).not.toBe('')
  void auth.logout()
  expect(await auth.login(who)).toMatchObject({ ok: true })
  await expect.poll(count).toBe(1)
  expect(jar.cookie).not.toBe('')
  expire(storage)
  expect(await auth.me()).toMatchObject({ ok: true })
})

test('the tabs of a browser are logged in and out together', async () => {
  const { jar, tab } = browser()
  const first = tab()
  const who = someone()
  await first.auth.register(who)
  // A tab that is opened has the session from the other, rather than by the cookie.
  const second = tab()
  expect(await second.auth.resume()).toBe(true)
  expect(jar.refreshes).toBe(0)
  expect(second.storage.get()).toBe(first.storage.get())

  expire(first.storage)
  await Promise.all([first.auth.me(), second.auth.me()])
  expect(first.changes).toEqual([{ type: 'signed_in' }])
  await second.auth.logout()
  await expect.poll(() => first.changes.at(-1)).toEqual({ type: 'signed_out', reason: 'logout' })

  const other = someone()
  await first.auth.register(other)
  await expect.poll(() => second.auth.isAuthenticated()).toBe(true)
  expect(await second.auth.me()).toMatchObject({ data: { email: other.email } })
  expect(await second.mine.delete()).toMatchObject({ ok: true })
  await expect.poll(() => first.auth.isAuthenticated()).toBe(false)
  expect(jar.cookie).toBe('')
})

test('a login by a code is kept in the cookie, too, which goes with all sessions', async () => {
  const { jar, tab } = browser()
  const { auth, mine, storage } = tab()
  const who = someone()
  await auth.register(who)
  await auth.logout()
  const asked = await mine.requestLoginCode(who.email)
  if (!asked.ok) throw new Error(asked.error.code)
  const { code } = await mailTo(server.dataDir, who.email, 'login_code')
  const { request } = asked.data
  expect(await mine.continueLogin({ request, code })).toEqual({ ok: true, data: { expiresAt: null } })
  expect([jar.cookie === '', storage.get()?.includes('lkr_')]).toEqual([false, false])
  expect(await mine.endAllSessions()).toMatchObject({ ok: true })
  expect(jar.cookie).toBe('')
})

test('without a cookie storage there is nothing to take up', async () => {
  const storage = memoryStorage()
  const send = () => Promise.reject(new Error('nothing is sent'))
  const auth = createClient({ baseUrl: server.url, storage, fetch: send })
  expect(await auth.resume()).toBe(false)
})

test.each([
  ['a page has that of another tab', {}, 'a session'],
  ['on a server, a client hears nothing of another user’s', undefined, null],
])('of what is kept: %s', async (_, document, heard) => {
  vi.stubGlobal('document', document)
  const [mine, theirs] = ['mine', 'theirs'].map(() => cookieStorage('of two users'))
  mine?.set('a session')
  await theirs?.load?.()
  expect(theirs?.get()).toBe(heard)
})
