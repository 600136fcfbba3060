import { expect, test } from 'vitest'

import { memoryStorage } from '../dist/index.js'
import { operators, type Operators } from '../dist/operators.js'
import { kept, listening } from './person.ts'

type Answer = readonly [status: number, body: unknown, headers?: Record<string, string>]

/**
 * What an operator can do at something that gives these answers, the last of them again and again.
 * `sent` has what has arrived.
 */
function told(...answers: Answer[]) {
  const sent: string[] = []
  const storage = memoryStorage()
  storage.set(kept())
  const send = async (input: RequestInfo | URL) => {
    const request = input as Request
    const { pathname, search } = new URL(request.url)
    const headers = ['Authorization', 'If-Match'].map((name) => request.headers.get(name) ?? '-')
    sent.push([request.method, pathname + search, ...headers, await request.text()].join(' ').trim())
    const [status, body, also = {}] = answers[sent.length - 1] ?? answers.at(-1) ?? [500, undefined]
    return new Response(body === undefined ? null : JSON.stringify(body), { status, headers: also })
  }
  const { auth, changes } = listening({ storage, fetch: send })
  return { admin: operators(auth), auth, changes, sent }
}

const user = {
  id: '01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90',
  email: 'ada@example.com',
  username: 'ada',
  email_verified: false,
  is_active: true,
  is_superuser: false,
  created_at: 'b',
  updated_at: 'c',
  user_metadata: {},
  app_metadata: {},
  roles: ['support'],
  has_password: true,
}
const event = { id: 'a', type: 'user.logged_in', actor: 'user', created_at: 'b', user_id: user.id }
const lacks = { code: 'insufficient_scope', status: 403, detail: 'No.', scopes: ['users:read'] }

test('there are operators for a client of createClient alone', () => {
  expect(() => operators({} as never)).toThrow(TypeError)
})

test('a list is its first page where it is awaited, and every page in a loop', async () => {
  const pages: Answer[] = [
    [200, { users: [user], next: 'lkc_2' }],
    [200, { users: [user, user], next: 'lkc_3' }],
    [200, { users: [] }],
  ]
  const { admin, sent } = told(...pages)
  expect(await admin.listUsers({ role: 'support', is_active: false })).toMatchObject({ data: { next: 'lkc_2' } })
  expect(sent).toEqual(['GET /api/users/?role=support&is_active=false Bearer e30.e30.e30 -'])

  const loop = told(...pages)
  const counts: unknown[] = []
  for await (const page of loop.admin.listUsers({ limit: 2 })) counts.push(page.ok && page.data.users.length)
  expect(counts).toEqual([1, 2, 0])
  expect(loop.sent.map((line) => line.split(' ')[1])).toEqual([
    '/api/users/?limit=2',
    '/api/users/?limit=2&cursor=lkc_2',
    '/api/users/?limit=2&cursor=lkc_3',
  ])
})

test('a loop asks for a page when it comes to it, and ends with the first that fails', async () => {
  const { admin, sent } = told([200, { events: [event], next: 'lkc_2' }], [403, lacks])
  const list = admin.listEvents({ type: 'login.failed', cursor: 'lkc_1' })
  const results: unknown[] = []
  for await (const page of list) {
    expect(sent).toHaveLength(results.length + 1)
    results.push(page.ok || page.error)
  }
  expect(results).toEqual([true, lacks])
  expect(sent.map((line) => line.split(' ')[1])).toEqual([
    '/api/events/?type=login.failed&cursor=lkc_1',
    '/api/events/?type=login.failed&cursor=lkc_2',
  ])

  const left = told([200, { users: [user], next: 'lkc_2' }])
  for await (const page of left.admin.listUsers()) if (page.ok) break
  expect(left.sent).toHaveLength(1)
})

test('a lacking scope is named, and neither refreshes nor ends the session', async () => {
  const { admin, auth, changes, sent } = told([
    403,
    lacks,
    { 'WWW-Authenticate': 'Bearer error="insufficient_scope", scope="users:read"' },
  ])
  const result = await admin.getUser(user.id)
  expect(result).toEqual({ ok: false, error: lacks })
  if (result.ok || result.error.code !== 'insufficient_scope') throw new Error('not narrowed')
  expect(result.error.scopes satisfies readonly string[]).toEqual(['users:read'])
  expect(sent).toHaveLength(1)
  expect(changes).toEqual([])
  expect(auth.isAuthenticated()).toBe(true)
})

test('a change is for the state that was read', async () => {
  const version = { user, etag: '"1"' }
  const send = told([200, { ...user, is_active: false }, { ETag: '"2"' }])
  expect(await send.admin.updateUser(version as never, { is_active: false })).toEqual({
    ok: true,
    data: { user: { ...user, is_active: false }, etag: '"2"' },
  })
  expect(send.sent).toEqual([`PATCH /api/users/${user.id}/ Bearer e30.e30.e30 "1" {"is_active":false}`])
})

const calls: Record<string, (admin: Operators) => Promise<{ ok: boolean }>> = {
  listUsers: (admin) => admin.listUsers(),
  getUser: (admin) => admin.getUser(user.id),
  inviteUser: (admin) => admin.inviteUser({ email: user.email }),
  deleteUser: (admin) => admin.deleteUser(user.id),
  sessions: (admin) => admin.sessions(user.id),
  endSessions: (admin) => admin.endSessions(user.id),
  sendPasswordReset: (admin) => admin.sendPasswordReset(user.id),
  listEvents: (admin) => admin.listEvents(),
}

test.each<[string, ...Answer]>([
  ['listUsers', 200, { users: {} }],
  ['listUsers', 200, { users: [{ ...user, roles: 'support' }] }],
  ['listUsers', 200, { users: [{ ...user, roles: [7] }] }],
  ['listUsers', 200, { users: [{ ...user, has_password: undefined }] }],
  ['listUsers', 200, { users: [], next: 7 }],
  // Without its ETag.
  ['getUser', 200, user],
  ['inviteUser', 201, user],
  ['deleteUser', 200, {}],
  ['sessions', 200, { sessions: [{}] }],
  ['endSessions', 200, 'done'],
  ['sendPasswordReset', 200, {}],
  ['listEvents', 200, { events: [{ ...event, user_id: undefined }] }],
  ['listEvents', 200, {}],
  ['listEvents', 403, { ...lacks, scopes: undefined }],
  ['listEvents', 403, { ...lacks, scopes: 'users:read' }],
  ['listEvents', 404, { ...lacks, code: 'account_not_found', status: 404 }],
])('what %s is answered with %i %j is unexpected', async (name, ...answer) => {
  const { admin } = told(answer)
  expect(await calls[name]?.(admin)).toMatchObject({
    ok: false,
    error: { code: 'unexpected_answer', status: answer[0] },
  })
})

test('what the answers are known by is the contract’s', async () => {
  expect(await told([204, undefined]).admin.endSessions(user.id)).toEqual({ ok: true, data: undefined })
  const tagged = { ETag: '"1"' }
  expect(await told([200, user, tagged]).admin.getUser(user.id)).toEqual({ ok: true, data: { user, etag: '"1"' } })
  expect(await told([201, user, tagged]).admin.inviteUser({ email: user.email })).toMatchObject({
    data: { etag: '"1"' },
  })
  expect(await told([200, { events: [event] }]).admin.listEvents()).toEqual({ ok: true, data: { events: [event] } })
})

test.each(['.', '..', ''])('the id %o of a user leads to no other operation', async (id) => {
  const { admin, sent } = told([204, undefined])
  expect(await admin.deleteUser(id)).toMatchObject({ error: { code: 'network_error', cause: { name: 'TypeError' } } })
  expect(sent).toEqual([])
})

test('a call can be given up', async () => {
  const { admin } = told([200, { users: [] }])
  expect(await admin.listUsers({}, { signal: AbortSignal.abort() })).toMatchObject({ error: { code: 'aborted' } })
})
