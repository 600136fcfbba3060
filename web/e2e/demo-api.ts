import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'

const binary = resolve(import.meta.dirname, '..', '..', 'bin', 'demo-api')

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** The notes' API of the demo. */
export interface DemoApi {
  /** Its origin, which stays the same over all starts. */
  readonly url: string
  /** Starts it again after `stop`, with these settings in place of the first ones. */
  start(settings?: Record<string, string>): Promise<void>
  stop(): Promise<void>
}

/** Starts the API for a page and a Latchkey server, on a free port. */
export async function startApi(page: string, latchkey: string): Promise<DemoApi> {
  let address = '127.0.0.1:0'
  let stop: () => Promise<void>
  const start = async (settings: Record<string, string> = {}) => {
    const env = { NOTES_ADDR: address, NOTES_ORIGIN: page, NOTES_LATCHKEY_URL: latchkey, ...settings }
    const child = spawn(binary, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    running.add(child)
    const ended = once(child, 'exit')
    stop = async () => {
      child.kill('SIGTERM')
      const [code] = (await ended) as [number | null]
      running.delete(child)
      if (code !== 0) throw new Error(`The API ended with ${code ?? 'a signal'}.`)
    }
    const [line] = (await Promise.race([once(createInterface(child.stdout), 'line'), ended])) as [unknown]
    const found = typeof line === 'string' ? /http:\/\/([^ ,]+)/.exec(line)?.[1] : undefined
    if (found === undefined) throw new Error('The API did not start. Is it built, by `make demo-api`?')
    address = found
  }
  await start()
  return { url: `http://${address}`, start, stop: () => stop() }
}
