import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { expect, inject, test } from 'vitest'

import { entries, folder, modules, register, run } from './fixture.ts'

/** The oldest Node that the package names, where npm has it for this machine: not for Macs of Apple's processors. */
const oldestNode = join(modules, `node-${process.platform}-${process.arch}`, 'bin', 'node')

const nodes = [
  ['this one', process.execPath, process.version],
  ['the oldest', oldestNode, 'v20.0.0'],
].filter(([, path = '']) => existsSync(path)) as [string, string, string][]

const login = `
async function use(createClient) {
  const auth = createClient({ baseUrl: process.env.LATCHKEY_URL })
  const result = await auth.login({ email: process.env.EMAIL, password: process.env.PASSWORD })
  const me = await auth.me()
  if (!result.ok || !me.ok || me.data.email !== process.env.EMAIL) throw new Error(JSON.stringify([result, me]))
}
async function check({ createVerifier }) {
  const verify = createVerifier({ url: process.env.LATCHKEY_URL, issuer: 'latchkey', audience: 'latchkey:auth' })
  const { name } = await verify('not a token').catch((error) => error)
  if (name !== 'InvalidToken') throw new Error(name)
}
console.log(process.version)
`

/** Loads every entry, logs in and verifies a token, as a CommonJS and as an ES module. */
const programs = {
  'main.cjs': `${login}
for (const entry of process.env.ENTRIES.split(' ')) require(entry)
use(require('@latchkey-auth/client').createClient).then(() => check(require('@latchkey-auth/client/verify')))`,
  'main.mjs': `${login}
for (const entry of process.env.ENTRIES.split(' ')) await import(entry)
await use((await import('@latchkey-auth/client')).createClient)
await check(await import('@latchkey-auth/client/verify'))`,
}

async function environment(): Promise<Record<string, string>> {
  const url = inject('url')
  const { email, password } = await register(url)
  return { LATCHKEY_URL: url, EMAIL: email, PASSWORD: password, ENTRIES: entries().join(' ') }
}

test.each(nodes)('Node, %s: every entry loads by require and by import, and logs in', async (_, node, version) => {
  const app = folder(`node-${version}`, programs)
  const env = await environment()
  for (const program of Object.keys(programs)) {
    expect(await run(app, node, ['--throw-deprecation', program], env)).toBe(`${version}\n`)
  }
})

test('Jest: a test in CommonJS logs in, and loads every entry', async () => {
  const jest = join(modules, 'jest/bin/jest.js')
  await run(folder('jest'), process.execPath, [jest, '--ci', '--watchman=false'], await environment())
})
