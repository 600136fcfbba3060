import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

/** The folder that the binary runs in: upwards of it, it finds the PostgreSQL that npm has installed. */
const repository = resolve(import.meta.dirname, '..', '..')

/** What a start may take, in ms: it makes a database cluster first, on a slow machine. */
const startBound = 90_000

/** What a stop may take, in ms: more than the server gives to open requests (10 s) and to PostgreSQL (30 s). */
const stopBound = 45_000

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A Latchkey server with a database of its own. */
export interface Server {
  /** Its origin, without a slash at the end. */
  readonly url: string
  /** Stops the server and removes its data. Rejects if the server ends in another way than it should. */
  stop(): Promise<void>
  /** All that the server has written so far. */
  output(): string
  /** What it was started with, for a command beside it. */
  readonly binary: string
  readonly env: NodeJS.ProcessEnv
  /** Its data folder. */
  readonly dataDir: string
  readonly folder: string
}

/**
 * Starts the binary that `LATCHKEY_BIN` names, or else `bin/latchkey`, and answers when it listens.
 * `env` adds settings to it or replaces them; `flags` are those of `serve`.
 */
export async function startServer(env: Record<string, string> = {}, flags: readonly string[] = []): Promise<Server> {
  const binary = resolve(process.env['LATCHKEY_BIN'] ?? join(repository, 'bin', 'latchkey'))
  if (!existsSync(binary)) throw new Error(`There is no ${binary}: run \`make build\`, or set LATCHKEY_BIN.`)

  const dataDir = await mkdtemp(join(tmpdir(), 'latchkey-e2e-'))
  // PostgreSQL runs as another user where the tests are root's.
  await chmod(dataDir, 0o711)
  const environment = {
    ...inherited(),
    LATCHKEY_ADDR: '127.0.0.1:0',
    LATCHKEY_DATA_DIR: dataDir,
    // Hashes as cheap as there are: how hard they are to guess is tested elsewhere.
    LATCHKEY_PASSWORD_HASH_MEMORY_KIB: '64',
    LATCHKEY_PASSWORD_HASH_PASSES: '1',
    ...env,
  }
  const child = spawn(binary, ['serve', ...flags], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment,
  })
  running.add(child)
  // A binary that can't be run is told by `listening`.
  const ended = once(child, 'close').catch(() => undefined)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const end = async (signal: NodeJS.Signals, bound: number) => {
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), bound)
    await ended
    clearTimeout(timer)
    running.delete(child)
    await rm(dataDir, { recursive: true, force: true })
  }

  try {
    const url = await listening(child, () => output)
    let stopped: Promise<void> | undefined
    const stop = async () => {
      await end('SIGTERM', stopBound)
      if (child.exitCode !== 0) {
        throw new Error(`The server ended with ${child.exitCode ?? child.signalCode ?? 'nothing'}:\n${output}`)
      }
    }
    return {
      url,
      output: () => output,
      stop: () => (stopped ??= stop()),
      binary,
      env: environment,
      dataDir,
      folder: repository,
    }
  } catch (error) {
    await end('SIGKILL', stopBound)
    throw error
  }
}

/** The environment without what the developer's own server and database are set up with. */
function inherited(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(LATCHKEY_|PG)/.test(name)))
}

/**
 * Answers the URL of the start line, which has another form in a log of JSON, or rejects with the
 * output if that doesn't come.
 */
function listening(child: ChildProcess, output: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      reject(new Error(`The server ${why}:\n${output()}`))
    }
    const timer = setTimeout(fail, startBound, `did not listen after ${startBound / 1000} s`)
    const look = () => {
      const url = /(?:listens on |"url":")(http:\/\/[^ "]+)[^\n]*\n/.exec(output())?.[1]
      if (url === undefined) return
      clearTimeout(timer)
      resolve(url)
    }
    child.stdout?.on('data', look)
    child.stderr?.on('data', look)
    child.once('error', (error) => {
      fail(`could not be started (${error.message})`)
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      fail(`ended with ${code ?? signal ?? 'nothing'} before it listened`)
    })
  })
}
