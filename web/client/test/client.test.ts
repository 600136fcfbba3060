import { expect, inject, onTestFinished, test, vi } from 'vitest'

import { contract } from '../dist/contract.js'
import { createClient, memoryStorage } from '../dist/index.js'
import { kept, listening, someone } from './person.ts'

test('register, ask who one is, log out, log in', async () => {
  const { auth, changes } = listening()
  const ada = someone()
  const registered = await auth.register(ada)
  if (!registered.ok) throw new Error(registered.error.code)
  expect(registered.data).toMatchObject({ email: ada.email, username: ada.username, is_active: true })
  expect(registered.data).not.toHaveProperty('token')
  expect(auth.isAuthenticated()).toBe(true)
  expect(await auth.me()).toEqual(registered)

  await auth.logout()
  expect(auth.isAuthenticated()).toBe(false)
  expect(await auth.me()).toMatchObject({ ok: false, error: { code: 'not_authenticated', status: 401 } })

  const before = Date.now()
  const session = await auth.login(ada)
  if (!session.ok) throw new Error(session.error.code)
  const days = ((session.data.expiresAt?.getTime() ?? 0) - before) / 86_400_000
  expect(days).toBeGreaterThan(29.99)
  expect(days).toBeLessThan(30.01)
  expect(await auth.me()).toEqual(registered)
  expect(changes).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'logout' }, { type: 'signed_in' }])
})

test('the raw client is typed by the contract and sends the token', async () => {
  const { auth } = listening()
  const ada = someone()
  await auth.register(ada)
  const { data, error } = await contract(auth).GET('/api/users/me/')
  expect(error).toBeUndefined()
  expect(data?.email).toBe(ada.email)
  const health = await contract(auth).GET('/healthz')
  expect(health.data).toEqual({ status: 'ok' })
})

test('a password is sent as it is, whatever characters it has', async () => {
  const { auth } = listening()
  const odd = { ...someone(), password: ' a+b&c=d%20é\u{1F511}"\\\n ' }
  expect(await auth.register(odd)).toMatchObject({ ok: true })
  expect(await auth.login(odd)).toMatchObject({ ok: true })
  expect(await auth.login({ ...odd, password: odd.password.trim() })).toMatchObject({ ok: false })
})

test('errors are values, with their code, status and request id', async () => {
  const { auth, changes } = listening()
  const ada = someone()
  await auth.register(ada)
  const other = someone()
  const id = expect.stringMatching(/^[0-9a-f-]{36}$/) as string
  expect(await auth.register({ ...other, email: ada.email })).toMatchObject({
    error: { code: 'email_taken', status: 409, requestId: id },
  })
  expect(await auth.register({ ...other, username: ada.username })).toMatchObject({
    error: { code: 'username_taken', status: 409 },
  })
  expect(await auth.register({ email: 'nobody', username: 'a b', password: 'short' })).toMatchObject({
    error: {
      code: 'invalid_request',
      status: 422,
      errors: [{ pointer: '/email' }, { pointer: '/password', code: 'too_short' }, { pointer: '/username' }],
    },
  })
  expect(await auth.register({ ...other, username: 'a'.repeat(100_000) })).toMatchObject({
    error: { code: 'body_too_large', status: 413 },
  })
  expect(await auth.login({ ...ada, password: 'not this one' })).toEqual({
    ok: false,
    error: {
      code: 'invalid_credentials',
      status: 401,
      detail: 'Authentication was unsuccessful.',
      requestId: id,
    },
  })
  // A failed attempt to log in ends no session.
  expect(changes).toEqual([{ type: 'signed_in' }])
  expect(await auth.me()).toMatchObject({ ok: true })
})

test('a token that the server refuses is dropped', async () => {
  const storage = memoryStorage()
  storage.set(kept())
  const { auth, changes } = listening({ storage })
  expect(auth.isAuthenticated()).toBe(true)
  expect(await auth.me()).toMatchObject({ error: { code: 'invalid_token', status: 401 } })
  expect(changes).toEqual([{ type: 'signed_out', reason: 'refused' }])
  expect(storage.get()).toBeNull()
  expect(await auth.me()).toMatchObject({ error: { code: 'not_authenticated' } })
})

test('an answer to an old token does not end the session that has begun meanwhile', async () => {
  const storage = memoryStorage()
  storage.set(kept())
  const ada = someone()
  const { auth, changes } = listening({ storage, fetch: loginFirst })
  expect(await createClient({ baseUrl: inject('url') }).register(ada)).toMatchObject({ ok: true })

  /** Sends the request with the old token only after a login that was begun later. */
  async function loginFirst(input: RequestInfo | URL): Promise<Response> {
    const request = input as Request
    if (request.headers.get('Authorization') === 'Bearer e30.e30.e30') await auth.login(ada)
    return fetch(request)
  }
  // The call is sent again with the new one.
  expect(await auth.me()).toMatchObject({ ok: true, data: { email: ada.email } })
  expect(changes).toEqual([{ type: 'signed_in' }])
})

test('a logout ends the session at the server, whatever the state of its access token', async () => {
  for (const baseUrl of [inject('url'), inject('shortUrl')]) {
    const storage = memoryStorage()
    const { auth } = listening({ baseUrl, storage })
    await auth.register(someone())
    const session = storage.get() ?? ''
    await auth.logout()
    // Whoever has carried the tokens away can do nothing with them.
    storage.set(session)
    expect(await auth.me()).toMatchObject({ ok: false, error: { status: 401 } })
    expect(auth.isAuthenticated()).toBe(false)
  }
})

test('a logout is one though the server is out of reach', async () => {
  const storage = memoryStorage()
  storage.set(kept())
  const { auth, changes } = listening({ baseUrl: 'http://127.0.0.1:1', storage })
  await auth.logout()
  expect(auth.isAuthenticated()).toBe(false)
  expect(changes).toEqual([{ type: 'signed_out', reason: 'logout' }])
})

test('a session that has expired is reported as expired, without a call', async () => {
  const { auth, changes } = listening({ baseUrl: inject('briefUrl') })
  const registered = await auth.register(someone())
  expect(registered).toMatchObject({ ok: true })
  const told = [{ type: 'signed_in' }, { type: 'signed_out', reason: 'expired' }]
  await expect.poll(() => changes, { timeout: 10_000 }).toEqual(told)
  expect(auth.isAuthenticated()).toBe(false)
  expect(await auth.me()).toMatchObject({ error: { code: 'not_authenticated' } })
})

test('a logout wins over what is under way', async () => {
  const { auth, changes } = listening({ fetch: logoutMeanwhile })
  const ada = someone()
  async function logoutMeanwhile(input: RequestInfo | URL): Promise<Response> {
    const answer = await fetch(input)
    await auth.logout()
    return answer
  }
  expect(await auth.register(ada)).toMatchObject({ ok: true, data: { username: ada.username } })
  expect(await auth.login(ada)).toMatchObject({ ok: true })
  expect(auth.isAuthenticated()).toBe(false)
  expect(changes).toEqual([])
  expect(await auth.me()).toMatchObject({ error: { code: 'not_authenticated' } })
})

test('a listener that throws harms neither the call nor the others', async () => {
  const { auth } = listening()
  auth.onAuthChange(() => {
    throw new Error('the page’s own mistake')
  })
  const changes: unknown[] = []
  auth.onAuthChange((change) => changes.push(change))
  const uncaught: unknown[] = []
  const queue = globalThis.queueMicrotask
  const spy = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((work) => {
    queue(() => {
      try {
        work()
      } catch (error) {
        uncaught.push(error)
      }
    })
  })
  onTestFinished(() => {
    spy.mockRestore()
  })
  expect(await auth.register(someone())).toMatchObject({ ok: true })
  await auth.logout()
  expect(changes).toEqual([{ type: 'signed_in' }, { type: 'signed_out', reason: 'logout' }])
  const mistake = new Error('the page’s own mistake')
  await expect.poll(() => uncaught).toEqual([mistake, mistake])
})
