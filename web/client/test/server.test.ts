import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

import { expect, inject, test } from 'vitest'

import { createClient } from '../dist/index.js'
import { cookieJarStorage, type CookieAttributes } from '../dist/server.js'
import { expire, kept, someone } from './person.ts'

/**
 * The cookies of one browser, as Next's and SvelteKit's jars keep them: a value that was set stands
 * in the next request's.
 */
function jar() {
  const cookies = new Map<string, { value: string; attributes: CookieAttributes }>()
  const set = (name: string, value: string, attributes: CookieAttributes) => {
    if (attributes.maxAge === 0) cookies.delete(name)
    else cookies.set(name, { value, attributes })
  }
  return { cookies, get: (name: string) => cookies.get(name), set }
}

test('a session goes from request to request in a cookie that no script can read', async () => {
  const { cookies, ...ofRequest } = jar()
  const baseUrl = inject('url')
  const client = () => createClient({ baseUrl, storage: cookieJarStorage(ofRequest) })
  const ada = someone()
  await client().register(ada)
  expect([...cookies.keys()]).toEqual(['__Host-latchkey'])
  const { attributes, value } = cookies.get('__Host-latchkey') ?? {}
  expect(attributes).toEqual({ path: '/', httpOnly: true, sameSite: 'lax', secure: true, maxAge: 2_592_000 })
  expect(value).not.toContain(ada.email)
  expect(await client().me()).toMatchObject({ ok: true, data: { email: ada.email } })
  await client().logout()
  expect(cookies.size).toBe(0)
  expect(client().isAuthenticated()).toBe(false)
})

test('the cookie has the name, the life and the Secure that it is given', () => {
  const { cookies, ...ofRequest } = jar()
  cookieJarStorage(ofRequest, { secure: false, maxAge: 60 }).set(kept())
  expect(cookies.get('latchkey')?.attributes).toMatchObject({ secure: false, maxAge: 60 })
  cookieJarStorage(ofRequest, { name: 'mine' }).set(kept())
  expect(cookies.get('mine')?.attributes).toMatchObject({ secure: true, maxAge: 2_592_000 })
})

test('what a browser writes into its cookie of a user is not believed', async () => {
  const { cookies, ...ofRequest } = jar()
  const storage = cookieJarStorage(ofRequest)
  const registered = await createClient({ baseUrl: inject('url'), storage }).register(someone())
  const { value = '', attributes } = cookies.get('__Host-latchkey') ?? {}
  const user = { ...(registered.ok && registered.data), id: 'another', is_superuser: true }
  if (attributes)
    ofRequest.set('__Host-latchkey', JSON.stringify({ ...(JSON.parse(value) as object), user }), attributes)
  const auth = createClient({ baseUrl: inject('url'), storage: cookieJarStorage(ofRequest) })
  expect(auth.isAuthenticated()).toBe(true)
  expect(auth.user).toBe(null)
  expect(await auth.me()).toEqual(registered)
  expect(auth.user).toEqual(registered.ok && registered.data)
})

test('a cookie is set only where the tokens have changed: a slow response would bring back the former ones', async () => {
  const { cookies, ...ofRequest } = jar()
  const baseUrl = inject('url')
  await createClient({ baseUrl, storage: cookieJarStorage(ofRequest) }).register(someone())
  const before = cookies.get('__Host-latchkey')
  let changes = 0
  const counted = {
    get: ofRequest.get,
    set: (...change: Parameters<typeof ofRequest.set>) => {
      changes++
      ofRequest.set(...change)
    },
  }
  const storage = cookieJarStorage(counted)
  const auth = createClient({ baseUrl, storage })
  expect(await auth.me()).toMatchObject({ ok: true })
  expect(changes).toBe(0)
  expect(cookies.get('__Host-latchkey')).toBe(before)
  expire(storage)
  expect(await auth.getAccessToken()).toMatchObject({ ok: true })
  expect(changes).toBe(2)
})

test('the session of the longest email and username fits into a cookie, and a longer one is refused', async () => {
  const { cookies, ...ofRequest } = jar()
  const storage = cookieJarStorage(ofRequest)
  const { username, password } = someone()
  const label = 'a'.repeat(63)
  const email = `${username.padEnd(64, '-')}@${label}.${label}.${label.slice(10)}.example`
  const auth = createClient({ baseUrl: inject('url'), storage })
  expect(await auth.register({ email, username: username.padEnd(64, '-'), password })).toMatchObject({ ok: true })
  const [[name = '', { value } = { value: '' }] = []] = cookies
  console.log(`the longest cookie: ${name.length + encodeURIComponent(value).length} bytes`)
  expect(() => {
    storage.set(kept({ access_token: 'a'.repeat(4000) }))
  }).toThrow(RangeError)
})

test('an empty cookie, another’s and one that was changed are no session', () => {
  for (const value of ['', 'null', '{}', kept({ access_token: '\n' })]) {
    const storage = cookieJarStorage({ get: () => value, set: () => undefined })
    expect(createClient({ baseUrl: '', storage }).isAuthenticated()).toBe(false)
  }
})

test('a client keeps nothing of a request that has ended', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const left = () => {
    const request = { get: () => kept(), set: () => undefined }
    const auth = createClient({ baseUrl: '', storage: cookieJarStorage(request), refresh: 'never' })
    expect(auth.isAuthenticated()).toBe(true)
    return new WeakRef(request)
  }
  const requests = Array.from({ length: 10 }, left)
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  expect(requests.filter((request) => request.deref())).toHaveLength(0)
})
