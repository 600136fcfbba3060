// Starts bin/latchkey, and Specmatic's tests against it, all within one folder.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

import { ada, contractFor } from './contract.mjs'
import { startProxy } from './proxy.mjs'
import { verdictOf } from './verdict.mjs'

const dir = resolve(process.argv[2])
const repository = resolve(import.meta.dirname, '..', '..')
const binary = join(repository, 'bin', 'latchkey')
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('LATCHKEY_'))),
  LATCHKEY_ADDR: '127.0.0.1:0',
  LATCHKEY_DATA_DIR: join(dir, 'data'),
  // It expects every request that fits the schema to succeed, however many there are.
  LATCHKEY_RATE_LIMITS: 'off',
  LATCHKEY_PASSWORD_HASH_MEMORY_KIB: '64',
  LATCHKEY_PASSWORD_HASH_PASSES: '1',
}

const server = spawn(binary, ['serve'], { cwd: repository, env, stdio: ['ignore', 'pipe', 'pipe'] })
const stopped = once(server, 'exit')
let log = ''
server.stderr.on('data', (text) => (log += text))
try {
  const url = await listening(server)
  const token = await register(url)
  const proxy = await startProxy(url, { token, deleteUser, login: () => login(url) })
  const run = await judge(`http://127.0.0.1:${proxy.address().port}`, token)
  proxy.close()
  proxy.closeAllConnections()
  report(run, await usernamePattern())
} finally {
  server.kill('SIGTERM')
  await stopped
}

/** Answers the server's address once it listens. */
async function listening(server) {
  for await (const line of createInterface({ input: server.stdout })) {
    const url = /http:\/\/[0-9.:]+/.exec(line)?.[0]
    if (url) return url
  }
  throw new Error(`the server did not start:\n${log}`)
}

async function register(url) {
  const answer = await fetch(`${url}/api/users/`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(ada),
  })
  if (answer.status !== 201) throw new Error(`a registration is answered ${answer.status}: ${await answer.text()}`)
  return (await answer.json()).token.access_token
}

async function login(url) {
  const body = new URLSearchParams({ username: ada.email, password: ada.password })
  const answer = await fetch(`${url}/api/users/login/token/`, { method: 'POST', body })
  if (answer.status !== 200) throw new Error(`a login is answered ${answer.status}: ${await answer.text()}`)
  return (await answer.json()).access_token
}

async function deleteUser(username) {
  // The shortest username of all is ---.
  await promisify(execFile)(binary, ['user', 'delete', '--yes', '--', username], { cwd: repository, env })
}

/** Answers the contract's own pattern of usernames. */
async function usernamePattern() {
  const contract = JSON.parse(await readFile(join(repository, 'gen/api/openapi.json'), 'utf8'))
  return new RegExp(contract.components.schemas.Registration.properties.username.pattern)
}

/** Runs Specmatic's tests against the server at `url`, and answers how it ended and what it wrote. */
async function judge(url, token) {
  await writeFile(join(dir, 'openapi.json'), contractFor(await readFile(join(repository, 'gen/api/openapi.json'), 'utf8')))
  // With names from this file alone it finds no other machine.
  await writeFile(join(dir, 'hosts'), '127.0.0.1 localhost\n')
  const jar = join(repository, 'web/node_modules/specmatic/specmatic.jar')
  const java = spawn(
    'java',
    [
      // For a run of half a minute the second compiler costs more than it saves.
      ...['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'],
      ...['-Dfile.encoding=UTF-8', `-Djdk.net.hosts.file=${join(dir, 'hosts')}`],
      ...[`-Duser.home=${dir}`, `-Djava.io.tmpdir=${dir}`],
      ...['-jar', jar, 'test', 'openapi.json', `--testBaseURL=${url}`],
    ],
    {
      cwd: dir,
      env: { ...process.env, SPECMATIC_GENERATIVE_TESTS: 'true', OAuth2Password: token, BearerAuth: token },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  java.stdout.on('data', (text) => (output += text))
  java.stderr.on('data', (text) => (output += text))
  const [code] = await once(java, 'close')
  return { code, output }
}

/** Shows what Specmatic has found, or else how many tests there were. */
function report(run, usernames) {
  const { findings, isWhole, counts, mistakes } = verdictOf(run, usernames)
  if (isWhole && findings.length === 0) {
    console.log(`Specmatic: ${counts}${mistakes > 0 ? ', of its own making' : ''}`)
    return
  }
  console.error(findings.length > 0 ? findings.join('--------------------') : run.output)
  console.error(`Specmatic: ${counts}`)
  process.exitCode = 1
}
