import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createContext, runInContext } from 'node:vm'

import { expect, inject, test } from 'vitest'
import { build } from 'vite'

import { folder, modules, register, run } from './fixture.ts'

/** A program as Metro bundles it: one script, by the conditions of React Native. */
async function bundle(): Promise<string> {
  const app = folder('hermes', {
    'main.js': `import { createClient } from '@latchkey-auth/client'
import { account } from '@latchkey-auth/client/account'
globalThis.use = async ({ baseUrl, email, password }) => {
  const auth = createClient({ baseUrl })
  const result = await auth.login({ email, password })
  const sessions = result.ok && (await account(auth).sessions())
  return sessions && sessions.ok ? sessions.data.length : 'failed'
}`,
  })
  await build({
    root: app,
    logLevel: 'error',
    resolve: { conditions: ['react-native'] },
    build: {
      lib: { entry: 'main.js', formats: ['iife'], name: 'app', fileName: () => 'bundle.js' },
      target: 'es2020',
      minify: false,
    },
  })
  return join(app, 'dist', 'bundle.js')
}

/**
 * What React Native has of a browser's globals. There is no DOMException, BroadcastChannel,
 * localStorage nor Web Locks.
 */
function reactNative() {
  const { console, fetch, Headers, Request, Response, AbortController, URL, URLSearchParams } = globalThis
  const { setTimeout, clearTimeout, queueMicrotask } = globalThis
  // Its AbortSignal has none of the static methods.
  const AbortSignal = Object.assign(() => undefined, { prototype: globalThis.AbortSignal.prototype })
  const web = { console, fetch, Headers, Request, Response, AbortController, AbortSignal, URL, URLSearchParams }
  return { ...web, setTimeout, clearTimeout, queueMicrotask, navigator: { product: 'ReactNative' } }
}

test('React Native: a bundle logs in with no more globals than there are', async () => {
  const context = createContext(reactNative())
  runInContext(readFileSync(await bundle(), 'utf8'), context)
  const baseUrl = inject('url')
  const use = context.use as (person: object) => Promise<unknown>
  expect(await use({ baseUrl, ...(await register(baseUrl)) })).toBe(2)
})

/** The compiler's package has it for this machine, or not. */
const hermesc = join(
  modules,
  'hermes-compiler/hermesc',
  process.platform === 'darwin' ? 'osx-bin' : 'linux64-bin',
  'hermesc',
)
const isThere = existsSync(hermesc) && (process.platform === 'darwin' || process.arch === 'x64')

test.runIf(isThere)('React Native: Hermes compiles the bundle', async () => {
  const bytecode = join(await bundle(), '..', 'bundle.hbc')
  await run(modules, hermesc, ['-emit-binary', '-O', '-Werror', '-out', bytecode, await bundle()])
  expect(existsSync(bytecode)).toBe(true)
})
