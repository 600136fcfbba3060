import { execFile } from 'node:child_process'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { startServer, type Server } from '../e2e/server.ts'

const here = import.meta.dirname
const made = join(here, 'made')
const tools = join(here, '..', '..', 'bin', 'tools')
/** The contract as the binary prints it, with absolute URLs. It is written before the tests. */
const contract = join(made, 'openapi.yaml')

const run = promisify(execFile)
const inGo = { cwd: join(here, 'go'), env: { ...process.env, GOFLAGS: '-buildvcs=false' }, maxBuffer: 1 << 24 }
const npx = (command: string, ...args: string[]) =>
  run(join(here, 'node_modules', '.bin', command), args, { cwd: here })

/** How a client is compiled, as in an application. */
const strict =
  '--noEmit --strict --target ES2022 --module ESNext --moduleResolution bundler --lib ES2022,DOM,DOM.Iterable --types node'.split(
    ' ',
  )

/** The commands of the generators of TypeScript. `out` is the folder that a generator writes to. */
const inTypeScript = {
  'hey-api': (out: string) => npx('openapi-ts', '-i', contract, '-o', out, '-c', '@hey-api/client-fetch'),
  'openapi-typescript-codegen': (out: string) => npx('openapi', '-i', contract, '-o', out, '-c', 'fetch'),
  orval: (out: string) => npx('orval', '--input', contract, '--output', join(out, 'client.ts'), '--client', 'fetch'),
  'swagger-typescript-api': (out: string) =>
    npx('swagger-typescript-api', 'generate', '-p', contract, '-o', out, '-n', 'api.ts'),
}

/** The generators whose client also calls the server, with the name of the function in `live` that does. */
const live: Record<string, string> = {
  'hey-api': 'liveWithHeyApi',
  'swagger-typescript-api': 'liveWithSwaggerTypescriptApi',
}

let server: Server

beforeAll(async () => {
  server = await startServer()
  await rm(made, { recursive: true, force: true })
  await mkdir(made)
  const { stdout } = await run(server.binary, ['openapi', '--url', server.url], { maxBuffer: 1 << 24 })
  await writeFile(contract, stdout)
})
afterAll(() => server.stop())

const personOf = (username: string) => ({
  email: `${username}@example.com`,
  username,
  password: 'correct horse battery staple',
})

test.each(Object.entries(inTypeScript))('%s makes a client', async (name, generate) => {
  await generate(join(made, name))
  expect((await clientOf(name)).length).toBeGreaterThan(0)
})

test('the clients in TypeScript compile under strict', async () => {
  const clients = await Promise.all(Object.keys(inTypeScript).map(clientOf))
  const users = Object.keys(live).map((name) => join(here, 'live', `${name}.ts`))
  const tsc = join(here, '..', 'node_modules', '.bin', 'tsc')
  await compiled(run(tsc, [...strict, ...clients.flat(), ...users], { cwd: here }))
})

test.each(Object.entries(live))('a client of %s registers, logs in and asks who is logged in', async (name, use) => {
  const module = (await import(`./live/${name}.ts`)) as Record<string, (url: string, person: object) => Promise<string>>
  const person = personOf(name)
  expect(await module[use]?.(server.url, person)).toBe(person.email)
})

test('oapi-codegen makes a client that compiles', async () => {
  await mkdir(join(inGo.cwd, 'made', 'oapi'), { recursive: true })
  const out = ['-generate', 'types,client', '-package', 'oapi', '-o', 'made/oapi/client.gen.go']
  await run(join(tools, 'oapi-codegen'), [...out, contract], inGo)
  await compiled(run('go', ['vet', './made/oapi'], inGo))
})

test('ogen makes a client that compiles, registers, logs in and asks who is logged in', async () => {
  await run('go', ['tool', 'ogen', '--target', 'made/ogen', '--package', 'ogen', '--clean', contract], inGo)
  const { email, username, password } = personOf('ogen')
  const { stdout } = await compiled(run('go', ['run', '.', server.url, email, username, password], inGo))
  expect(stdout).toBe(`${email}\n`)
})

/** The files that a generator has written. */
async function clientOf(name: string): Promise<string[]> {
  const written = await readdir(join(made, name), { recursive: true })
  return written.filter((file) => file.endsWith('.ts')).map((file) => join(made, name, file))
}

/** Returns the result of a compiler. Its errors are in its output, which the error of a failed command doesn't show. */
async function compiled<T>(running: Promise<T>): Promise<T> {
  return running.catch((error: unknown) => {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(`${stdout ?? ''}${stderr ?? ''}`.slice(0, 4000), { cause: error })
  })
}
