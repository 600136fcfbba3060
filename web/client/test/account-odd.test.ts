import { expect, test } from 'vitest'

import { account, type Account } from '../dist/account.js'
import { createClient, memoryStorage, type AuthChange } from '../dist/index.js'
import { browserStorage, kept, listening, listeningTo, webStorageOf } from './person.ts'

/** The account of a session at something that answers this to everything, and the paths that were sent. */
function told(status: number, body: unknown, headers: Record<string, string> = {}) {
  const sent: string[] = []
  const storage = memoryStorage()
  storage.set(kept())
  const send = (input: RequestInfo | URL) => {
    const request = input as Request
    sent.push(`${request.method} ${new URL(request.url).pathname}`)
    const text = body === undefined ? null : JSON.stringify(body)
    return Promise.resolve(new Response(text, { status, headers }))
  }
  const { auth, changes } = listening({ storage, fetch: send })
  return { mine: account(auth), auth, changes, sent, storage }
}

const demand = {
  code: 'reauthentication_required',
  status: 401,
  detail: 'Prove it.',
  max_age: 300,
  factors: ['password'],
}
const challenge = { 'WWW-Authenticate': 'Bearer error="insufficient_user_authentication", max_age="300"' }

test('the error for a proof that is demanded has its age and its factors, and neither refreshes nor ends the session', async () => {
  const { mine, sent, changes } = told(401, demand, challenge)
  const result = await mine.delete()
  expect(result).toEqual({ ok: false, error: demand })
  if (result.ok || result.error.code !== 'reauthentication_required') throw new Error('not narrowed')
  expect(result.error.max_age satisfies number).toBe(300)
  expect(result.error.factors satisfies readonly string[]).toEqual(['password'])
  expect(sent).toEqual(['DELETE /api/users/me/'])
  expect(changes).toEqual([])
})

test.each([
  { max_age: undefined },
  { max_age: '300' },
  { factors: undefined },
  { factors: 'password' },
  { factors: [7] },
])('a demand with %o is an unexpected answer', async (wrong) => {
  const { mine } = told(401, { ...demand, ...wrong }, challenge)
  expect(await mine.delete()).toMatchObject({ error: { code: 'unexpected_answer', status: 401 } })
})

const event = { id: 'a', type: 'user.logged_in', actor: 'user', created_at: 'b' }
const listed = {
  id: 'a',
  created_at: 'b',
  last_used_at: 'c',
  expires_at: 'd',
  user_agent: 'e',
  address: 'f',
  is_current: true,
}
const user = {
  id: 'a',
  email: 'ada@example.com',
  username: 'ada',
  email_verified: false,
  is_active: true,
  is_superuser: false,
  created_at: 'b',
  updated_at: 'c',
  user_metadata: {},
  app_metadata: {},
}
const calls: Record<string, (mine: Account) => Promise<{ ok: boolean }>> = {
  delete: (mine) => mine.delete(),
  changePassword: (mine) => mine.changePassword({ current_password: 'a', new_password: 'b' }),
  events: (mine) => mine.events(),
  sessions: (mine) => mine.sessions(),
  read: (mine) => mine.read(),
  requestLoginCode: (mine) => mine.requestLoginCode('ada@example.com'),
  continueLogin: (mine) => mine.continueLogin({ request: 'a', code: 'b' }),
  reauthenticate: (mine) => mine.reauthenticate({ factor: 'password', password: 'a' }),
}

test.each<[string, number, unknown, Record<string, string>?]>([
  ['delete', 200, {}],
  ['changePassword', 200, 'done'],
  ['events', 200, {}],
  ['events', 200, { events: [{ ...event, type: 7 }] }],
  ['events', 200, { events: [event], next: 7 }],
  ['sessions', 200, { sessions: {} }],
  ['sessions', 200, { sessions: [{ ...listed, is_current: 'yes' }] }],
  // Without its ETag.
  ['read', 200, user],
  ['requestLoginCode', 202, { request: 'lkq_', expires_in: '600' }],
  ['continueLogin', 200, { access_token: 'e30' }],
  ['reauthenticate', 200, {}],
])('what %s is answered with %i %j is unexpected, and changes no session', async (name, status, body, headers) => {
  const { mine, storage } = told(status, body, headers)
  const before = storage.get()
  expect(await calls[name]?.(mine)).toMatchObject({ ok: false, error: { code: 'unexpected_answer' } })
  expect(storage.get()).toBe(before)
})

test('what the answers are known by is the contract’s', async () => {
  expect(await told(204, undefined).mine.delete()).toEqual({ ok: true, data: undefined })
  expect(await told(200, { events: [event], next: 'a', more: 1 }).mine.events()).toMatchObject({ data: { next: 'a' } })
  expect(await told(200, { sessions: [listed] }).mine.sessions()).toEqual({ ok: true, data: [listed] })
  expect(await told(200, user, { ETag: '"1"' }).mine.read()).toEqual({ ok: true, data: { user, etag: '"1"' } })
})

test('a call can be given up, also while it waits for a refresh', async () => {
  const storage = memoryStorage()
  storage.set(kept({ since: Date.now() - 900_001 }))
  const { auth } = listening({ storage, fetch: () => new Promise(() => undefined) })
  const mine = account(auth)
  const giveUp = new AbortController()
  const { signal } = giveUp
  const asked = [mine.reauthenticate({ factor: 'password', password: 'a' }, { signal }), mine.delete({ signal })]
  giveUp.abort()
  for (const each of asked) expect(await each).toMatchObject({ error: { code: 'aborted' } })
  expect(auth.isAuthenticated()).toBe(true)
})

test('a deletion logs out every tab, but nobody who has logged in meanwhile', async () => {
  const map = new Map<string, string>()
  const storage = webStorageOf(browserStorage(map))
  storage.set(kept())
  let other: AuthChange[] = []
  const { auth, changes } = listeningTo(
    createClient({
      baseUrl: 'http://127.0.0.1:1',
      storage,
      fetch: () => {
        const second = listeningTo(createClient({ baseUrl: 'http://127.0.0.1:1', storage }))
        second.auth.isAuthenticated()
        other = second.changes
        return Promise.resolve(new Response(null, { status: 204 }))
      },
    }),
  )
  expect(await account(auth).delete()).toMatchObject({ ok: true })
  expect(changes).toEqual([{ type: 'signed_out', reason: 'logout' }])
  expect(map.size).toBe(0)
  expect(other).toEqual([{ type: 'signed_out', reason: 'logout' }])

  const memory = memoryStorage()
  memory.set(kept())
  const overtaken = listening({
    storage: memory,
    fetch: () => {
      memory.set(kept({ login: 2, access_token: 'of-the-next' }))
      return Promise.resolve(new Response(null, { status: 204 }))
    },
  })
  expect(await account(overtaken.auth).delete()).toMatchObject({ ok: true })
  expect(overtaken.auth.isAuthenticated()).toBe(true)
})

test('a proof that comes back after a refresh changes nothing', async () => {
  const storage = memoryStorage()
  storage.set(kept())
  const { auth } = listening({
    storage,
    fetch: () => {
      storage.set(kept({ refresh_token: 'lkr_newer', access_token: 'newer' }))
      return Promise.resolve(Response.json(JSON.parse(kept({ refresh_token: 'lkr_old', access_token: 'older' }))))
    },
  })
  expect(await account(auth).reauthenticate({ factor: 'password', password: 'a' })).toMatchObject({ ok: true })
  expect(storage.get()).toContain('lkr_newer')
})

test('a refresh that was sent before a proof goes on, whichever is answered first', async () => {
  const storage = memoryStorage()
  storage.set(kept({ since: Date.now() - 895_000 }))
  let answerRefresh: (answer: Response) => void = () => undefined
  const { auth } = listening({
    storage,
    fetch: (input) => {
      const { url } = input as Request
      if (!url.endsWith('/login/token/')) return Promise.resolve(Response.json(user))
      return new Promise((resolve) => {
        answerRefresh = resolve
      })
    },
  })
  const asked = auth.me()
  await expect.poll(() => answerRefresh.name).not.toBe('answerRefresh')
  // In another tab, which has the same storage.
  storage.set(kept({ access_token: 'proved' }))
  answerRefresh(Response.json(JSON.parse(kept({ refresh_token: 'lkr_next', access_token: 'next' }))))
  expect(await asked).toMatchObject({ ok: true })
  expect(storage.get()).toContain('lkr_next')
})

test.each(['.', '..', ''])('the id %o of a session leads to no other operation', async (id) => {
  const { mine, auth, sent } = told(204, undefined)
  expect(await mine.endSession(id)).toMatchObject({ error: { code: 'network_error', cause: { name: 'TypeError' } } })
  expect(sent).toEqual([])
  expect(auth.isAuthenticated()).toBe(true)
})
