import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'

import { onTestFinished } from 'vitest'

const root = import.meta.dirname
export const modules = join(root, 'node_modules')

/** The entries of the packed client, as they are imported. */
export function entries(): string[] {
  const manifest = JSON.parse(readFileSync(join(modules, '@latchkey-auth/client/package.json'), 'utf8')) as {
    exports: Record<string, unknown>
  }
  return Object.keys(manifest.exports)
    .filter((entry) => entry !== './package.json')
    .map((entry) => join('@latchkey-auth/client', entry))
}

/**
 * Makes a folder of the given files, and of those of `fixtures/` by its name. All of node_modules
 * is found from there.
 */
export function folder(name: string, files: Record<string, string> = {}): string {
  const made = join(root, '.work', name)
  mkdirSync(made, { recursive: true })
  const fixture = join(root, 'fixtures', name)
  if (existsSync(fixture)) cpSync(fixture, made, { recursive: true })
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(made, path)), { recursive: true })
    writeFileSync(join(made, path), text)
  }
  return made
}

/** Runs a program to its end, and returns what it has printed. Rejects with all of it if it fails. */
export async function run(cwd: string, command: string, args: string[], env: Record<string, string> = {}) {
  try {
    const { stdout } = await promisify(execFile)(command, args, { cwd, env: environment(env), maxBuffer: 2 ** 24 })
    return stdout
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string }
    throw new Error(`${command} ${args.join(' ')} in ${cwd}\n${stdout}\n${stderr}`, { cause: error })
  }
}

/**
 * Starts a server of one's own until the test ends, and returns its origin once it answers. What it
 * has written is shown if the test fails.
 */
export async function serve(cwd: string, args: (port: string) => string[], env: Record<string, string> = {}) {
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const child = spawn(process.execPath, args(port), {
    cwd,
    env: environment({ PORT: port, ORIGIN: origin, ...env }),
    stdio: 'pipe',
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()))
  const ended = once(child, 'close')
  onTestFinished(async ({ task }) => {
    child.kill()
    await ended
    if (task.result?.state === 'fail') console.log(output)
  })
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${args(port).join(' ')} ended:\n${output}`)
    const answer = await fetch(origin, { redirect: 'manual' }).catch(() => undefined)
    if (answer) return origin
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return String(port)
}

/** The environment, with production's mode where the test runner has set its own. */
function environment(env: Record<string, string>): NodeJS.ProcessEnv {
  return { ...process.env, NODE_ENV: 'production', CI: '1', NEXT_TELEMETRY_DISABLED: '1', ...env }
}

/** A registration that nobody has used. */
export function someone() {
  const name = `ada-${randomUUID().slice(0, 18)}`
  return { email: `${name}@example.com`, username: name, password: 'correct horse battery staple' }
}

/** Registers a new user at a server. */
export async function register(url: string) {
  const person = someone()
  const answer = await fetch(`${url}/api/users/`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(person),
  })
  if (answer.status !== 201) throw new Error(await answer.text())
  return person
}

/** The text of a file of the repository. */
export function repositoryFile(path: string): string {
  return readFileSync(resolve(root, '..', '..', path), 'utf8')
}
