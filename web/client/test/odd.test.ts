import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

import { expect, inject, onTestFinished, test } from 'vitest'

import { contract } from '../dist/contract.js'
import { createClient, memoryStorage, type TokenStorage } from '../dist/index.js'
import { kept, listening, someone } from './person.ts'

/** Something else than Latchkey at the other end: a proxy, or a server of another release. */
async function answering(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const json = { 'Content-Type': 'application/problem+json', 'X-Request-Id': 'of-somebody', 'Retry-After': '7' }

test.each([
  ['a page of a proxy', 502, { 'Content-Type': 'text/html' }, '<h1>Bad Gateway</h1>'],
  ['nothing', 200, {}, ''],
  ['JSON that was cut off', 200, { 'Content-Type': 'application/json' }, '{"access_token": "e30'],
  ['JSON that is no object', 200, { 'Content-Type': 'application/json' }, '[]'],
  ['an object without anything', 200, { 'Content-Type': 'application/json' }, '{}'],
  ['an error without a body', 500, {}, ''],
  ['an error that is no object', 500, json, '"internal_error"'],
  ['a code that is not in the contract', 418, json, '{"code": "teapot", "status": 418, "detail": "short"}'],
  [
    'a code of another operation',
    409,
    json,
    '{"code": "email_taken", "status": 409, "detail": "taken"}',
    'email_taken',
  ],
  ['a code by the name of a method', 500, json, '{"code": "toString", "status": 500, "detail": ""}'],
  ['a status that is not the answer’s', 500, json, '{"code": "internal_error", "status": 503, "detail": ""}'],
  ['an error without words', 500, json, '{"code": "internal_error", "status": 500}'],
])('%s is an unexpected answer', async (_, status, headers, body, code?: string) => {
  const baseUrl = await answering((_, response) => {
    response.writeHead(status, headers).end(body)
  })
  const { auth, changes } = listening({ baseUrl })
  const unexpected = { ok: false, error: { code: 'unexpected_answer', status } }
  expect(await auth.login(someone())).toMatchObject(unexpected)
  expect(await auth.register(someone())).toMatchObject(code === 'email_taken' ? { error: { code } } : unexpected)
  expect(await auth.me()).toMatchObject(unexpected)
  expect(changes).toEqual([])
})

const token = {
  access_token: 'e30.e30.e30',
  token_type: 'bearer',
  expires_in: 900,
  refresh_token: 'lkr_e30',
  refresh_expires_in: 2_592_000,
}
const user = {
  id: '01981f6e-3f4a-7cc0-8f1e-5d7a4c1b2e90',
  email: 'ada@example.com',
  username: 'ada',
  email_verified: false,
  is_active: true,
  is_superuser: false,
  created_at: '2026-01-05T09:30:00.123456Z',
  updated_at: '2026-01-05T09:30:00.123456Z',
  user_metadata: {},
  app_metadata: {},
}

/** A client of something that answers this to everything. */
async function told(status: number, body: unknown, options: { storage?: TokenStorage } = {}) {
  const baseUrl = await answering((_, response) => {
    response.writeHead(status, json).end(JSON.stringify(body))
  })
  return listening({ baseUrl, ...options })
}

test('what has all members, and others, is an answer', async () => {
  const { auth } = await told(200, { ...user, ...token, token, born: 1815 })
  expect(await auth.login(someone())).toMatchObject({ ok: true })
  expect(await auth.register(someone())).toMatchObject({ ok: true, data: user })
  expect(await auth.me()).toMatchObject({ ok: true, data: { ...user, born: 1815 } })
})

test.each([
  { access_token: undefined },
  { access_token: 7 },
  { access_token: '' },
  { access_token: 'e30\ne30' },
  { token_type: 'mac' },
  { expires_in: undefined },
  { expires_in: '900' },
  { expires_in: null },
  { expires_in: 0 },
  { expires_in: 1e300 },
])('a token with %o is an unexpected answer', async (wrong) => {
  const odd = { ...token, ...wrong }
  const { auth, changes } = await told(200, { ...user, ...odd, token: odd })
  expect(await auth.login(someone())).toMatchObject({ ok: false, error: { code: 'unexpected_answer' } })
  expect(await auth.register(someone())).toMatchObject({ ok: false, error: { code: 'unexpected_answer' } })
  expect(changes).toEqual([])
})

test.each(Object.keys(user))('a user without %s, or with an odd one, is an unexpected answer', async (name) => {
  for (const wrong of [undefined, null, 7]) {
    const { auth, changes } = await told(200, { ...user, [name]: wrong, token })
    expect(await auth.register(someone())).toMatchObject({ ok: false, error: { code: 'unexpected_answer' } })
    expect(await auth.me()).toMatchObject({ ok: false, error: { code: 'unexpected_answer' } })
    expect(changes).toEqual([])
  }
})

test.each([
  undefined,
  null,
  'all',
  {},
  [null],
  ['/email'],
  [{ code: 'required', detail: 'It is missing.' }],
  [{ pointer: '/email', code: 7, detail: 'It is missing.' }],
  [{ pointer: '/email', code: 'required' }],
])('a 422 with the errors %o is an unexpected answer', async (errors) => {
  const { auth } = await told(422, { code: 'invalid_request', status: 422, detail: 'No.', errors })
  expect(await auth.login(someone())).toMatchObject({ ok: false, error: { code: 'unexpected_answer', status: 422 } })
  expect(await auth.register(someone())).toMatchObject({ ok: false, error: { code: 'unexpected_answer', status: 422 } })
})

test.each([
  ['ends', 400, 'invalid_refresh_token'],
  ['ends', 400, 'refresh_token_reused'],
  // A server of contract 0.5.
  ['ends', 401, 'invalid_refresh_token'],
  ['keeps', 400, 'unsupported_grant_type'],
  ['keeps', 403, 'cross_origin'],
  ['keeps', 422, 'invalid_request'],
  ['keeps', 429, 'rate_limited'],
])('a refresh %s the session where it is answered %i %s', async (outcome, status, code) => {
  const storage = memoryStorage()
  storage.set(kept({ since: Date.now() - 900_001 }))
  const { auth } = await told(status, { code, status, detail: 'No.' }, { storage })
  expect(await auth.me()).toMatchObject({ ok: false, error: { status } })
  expect(auth.isAuthenticated()).toBe(outcome === 'keeps')
})

test('a token goes to no other server, and to no operation that does not ask for one', async () => {
  const seen: string[] = []
  const baseUrl = await answering((request, response) => {
    seen.push(`${request.url ?? ''} ${request.headers.authorization ?? 'none'}`)
    response.writeHead(200, json).end(JSON.stringify({ ...user, ...token }))
  })
  const storage = memoryStorage()
  storage.set(kept({ access_token: 'secret' }))
  const own = createClient({ baseUrl: `${baseUrl}/auth`, storage })
  await contract(own).GET('/api/users/me/')
  await contract(own).GET('/healthz')
  await contract(own).POST('/api/users/login/token/', { body: {} })
  await contract(own).GET('/api/users/me/', { baseUrl: `${baseUrl}/authority` })
  await contract(createClient({ baseUrl: inject('url'), storage })).GET('/api/users/me/', { baseUrl })
  expect(seen).toEqual([
    '/auth/api/users/me/ Bearer secret',
    '/auth/healthz none',
    '/auth/api/users/login/token/ none',
    '/authority/api/users/me/ none',
    '/api/users/me/ none',
  ])
})

test('an error has Retry-After and the request id', async () => {
  const baseUrl = await answering((_, response) => {
    response.writeHead(503, json).end('{"code": "unavailable", "status": 503, "detail": "later"}')
  })
  expect(await createClient({ baseUrl }).me()).toEqual({
    ok: false,
    error: { code: 'unavailable', status: 503, detail: 'later', requestId: 'of-somebody', retryAfter: 7 },
  })
})

test('a connection that fails is a network error', async () => {
  const broken = await answering((request) => {
    request.socket.destroy()
  })
  const halfway = await answering((request, response) => {
    response.writeHead(200, { 'Content-Length': '100' }).write('{"access_token": ', () => {
      request.socket.destroy()
    })
  })
  for (const baseUrl of [broken, halfway, 'http://127.0.0.1:1']) {
    const { auth, changes } = listening({ baseUrl })
    expect(await auth.login(someone())).toMatchObject({ ok: false, error: { code: 'network_error' } })
    expect(changes).toEqual([])
  }
})

test('a call can be given up', async () => {
  const baseUrl = await answering(() => undefined)
  const giveUp = new AbortController()
  const asked = createClient({ baseUrl }).me({ signal: giveUp.signal })
  giveUp.abort()
  expect(await asked).toMatchObject({ ok: false, error: { code: 'aborted', cause: { name: 'AbortError' } } })
})
