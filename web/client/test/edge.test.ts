import { resolve } from 'node:path'
import { createContext, runInContext } from 'node:vm'

import { build } from 'esbuild'
import { expect, inject, test } from 'vitest'

import { createClient, memoryStorage } from '../dist/index.js'
import type { Claims, Verify } from '../dist/verify.js'
import { someone } from './person.ts'

/** An entry of the package with all that it imports, as one script, and what was left to import. */
async function bundled(entry: string): Promise<{ script: string; imported: string[] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [resolve(import.meta.dirname, '..', 'dist', `${entry}.js`)],
    bundle: true,
    format: 'iife',
    globalName: 'entry',
    platform: 'neutral',
    conditions: ['worker', 'browser'],
    external: ['node:*', 'express', 'fastify', 'hono'],
    write: false,
    metafile: true,
  })
  const imported = Object.values(metafile.outputs).flatMap((output) => output.imports.map(({ path }) => path))
  return { script: outputFiles[0]?.text ?? '', imported }
}

test('verify and the middlewares import nothing of Node, and no framework', async () => {
  for (const entry of ['verify', 'express', 'fastify', 'hono']) {
    expect((await bundled(entry)).imported, entry).toEqual([])
  }
})

test('verify runs where there is fetch and Web Crypto, and nothing of Node', async () => {
  const storage = memoryStorage()
  expect(await createClient({ baseUrl: inject('url'), storage }).register(someone())).toMatchObject({ ok: true })
  const { access_token: token } = JSON.parse(storage.get() ?? '') as { access_token: string }

  // Of what the Minimum Common Web API has, the names that are used.
  const globals = ['fetch', 'crypto', 'CryptoKey', 'URL', 'Headers', 'AbortSignal', 'TextEncoder', 'TextDecoder']
  globals.push('atob', 'btoa', 'structuredClone')
  const worker = createContext({
    ...Object.fromEntries(globals.map((name) => [name, globalThis[name as keyof typeof globalThis]])),
    options: { url: inject('url'), issuer: 'latchkey', audience: 'latchkey:auth' },
  })
  expect(runInContext('[typeof process, typeof Buffer, typeof require]', worker)).toEqual(Array(3).fill('undefined'))
  const { script } = await bundled('verify')
  const verify = runInContext(`${script}; entry.createVerifier(options)`, worker) as Verify
  expect((await verify(token)) satisfies Claims).toMatchObject({ iss: 'latchkey', aud: 'latchkey:auth' })
  await expect(verify(`${token.slice(0, -9)}AAAAAAAAA`)).rejects.toMatchObject({ name: 'InvalidToken' })
})
