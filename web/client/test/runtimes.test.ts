import { join } from 'node:path'
import { createContext, runInContext, type Context } from 'node:vm'

import { build } from 'esbuild'
import { expect, inject, test } from 'vitest'

import type * as accountModule from '../dist/account.js'
import type * as clientModule from '../dist/index.js'
import { ownApi } from './api.ts'
import { someone } from './person.ts'

type Modules = typeof clientModule & typeof accountModule

/**
 * Loads the client into a context, as a bundler makes one script of it. It has the language, and
 * what `globals` name.
 */
async function loaded(globals: object): Promise<{ modules: Modules; context: Context }> {
  const bundle = await build({
    stdin: {
      contents: "export * from './dist/index.js'; export * from './dist/account.js'",
      resolveDir: join(import.meta.dirname, '..'),
    },
    bundle: true,
    format: 'iife',
    globalName: 'latchkey',
    write: false,
  })
  const context = createContext({ ...globals })
  // What old engines of React Native lack of the language.
  runInContext('delete Object.hasOwn; delete Array.prototype.at; delete String.prototype.at', context)
  runInContext('delete globalThis.WeakRef; delete globalThis.FinalizationRegistry', context)
  runInContext(bundle.outputFiles[0]?.text ?? '', context)
  return { modules: runInContext('latchkey', context) as Modules, context }
}

test('without any global of the web but timers, a client is made', async () => {
  const { modules } = await loaded({ setTimeout, clearTimeout })
  const storage = modules.memoryStorage()
  const auth = modules.createClient({
    baseUrl: 'https://auth.example.com',
    storage,
    apiOrigins: ['https://api.example.com'],
  })
  expect(auth.isAuthenticated()).toBe(false)
  expect(modules.account(auth)).toHaveProperty('read')
})

/** The URL of a request is what it was given, as in React Native, and isn't brought into a normal form. */
class PlainRequest extends Request {
  readonly #given: string
  constructor(input: RequestInfo | URL, init?: RequestInit) {
    super(input, init)
    this.#given = input instanceof Request ? input.url : String(input)
  }
  override get url(): string {
    return this.#given
  }
}

/** Its signal has no reason. */
class PlainController extends AbortController {
  constructor() {
    super()
    Object.defineProperty(this.signal, 'reason', { value: undefined })
  }
}

/**
 * What React Native has of the web, as far as the client asks for it. Its `URL` has hardly any
 * parts, so that there is none here.
 */
const native = {
  fetch,
  Request: PlainRequest,
  Response,
  Headers,
  URLSearchParams,
  AbortController: PlainController,
  setTimeout,
  clearTimeout,
  queueMicrotask,
  navigator: { product: 'ReactNative' },
}

test('with no more of the web than React Native has, every kind of call works', async () => {
  const { modules, context } = await loaded(native)
  const api = await ownApi()
  const auth = modules.createClient({ baseUrl: inject('url'), apiOrigins: [api.origin] })
  const who = someone()
  expect(await auth.register(who)).toMatchObject({ ok: true })
  // A password with what a form has to encode.
  const password = 'a+b&c=d%20 é'
  const mine = modules.account(auth)
  expect(await mine.changePassword({ current_password: who.password, new_password: password })).toMatchObject({
    ok: true,
  })
  expect(await auth.login({ email: who.email, password })).toMatchObject({ ok: true })
  expect(await auth.me()).toMatchObject({ data: { email: who.email } })
  expect(await mine.events({ limit: 1 })).toMatchObject({ data: { events: [{}], next: expect.any(String) as string } })

  expect((await auth.fetch(`${api.origin}/orders`, { method: 'POST', body: 'two' })).status).toBe(200)
  const { host } = new URL(api.origin)
  for (const url of [
    `http://${host}\\@evil.example/`,
    `http://${host} .evil.example/`,
    `http://${host}\t.evil.example/`,
    `http:\\\\${host}/`,
    `HTTP://${host}/`,
    `http://${host}%2eevil.example/`,
    ` http://${host}/`,
  ]) {
    // Node's own may not make a request of it.
    await expect(auth.fetch(url), url).rejects.toMatchObject({
      name: expect.stringMatching(/^(AuthError|TypeError)$/) as string,
    })
  }
  expect(api.seen).toHaveLength(1)

  const giveUp = new PlainController()
  const asked = auth.fetch(`${api.origin}/silent`, { signal: giveUp.signal })
  giveUp.abort()
  await expect(asked).rejects.toMatchObject({ code: 'aborted' })
  await expect(auth.fetch(`${api.origin}/silent`, { timeout: 50 })).rejects.toMatchObject({ code: 'timeout' })
  expect(runInContext('typeof DOMException + typeof BroadcastChannel + typeof ReadableStream', context)).toBe(
    'undefinedundefinedundefined',
  )
})
