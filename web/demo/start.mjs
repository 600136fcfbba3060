// Runs the page by Vite's development server, and the notes' API beside it: `node start.mjs
// PATH-OF-THE-API`. Both end with Ctrl-C, with the API, and with this process.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createServer } from 'vite'

// Each address is set once, so that the page and the API can't disagree.
const { DEMO_PORT = '5173', NOTES_ADDR, VITE_LATCHKEY_URL } = process.env
if (NOTES_ADDR) process.env.VITE_NOTES_URL ??= `http://${NOTES_ADDR}`
const env = { NOTES_ORIGIN: `http://127.0.0.1:${DEMO_PORT}`, NOTES_LATCHKEY_URL: VITE_LATCHKEY_URL, ...process.env }

const api = spawn(process.argv[2], { stdio: ['ignore', 'inherit', 'inherit'], env })
let status = 1
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    status = 0
    api.kill()
  })
}
process.on('exit', () => api.kill())
api.on('error', (error) => console.error(error.message))
api.on('close', () => process.exit(status))

try {
  const page = await createServer({ configFile: join(import.meta.dirname, 'vite.config.ts') })
  await page.listen()
  page.printUrls()
} catch (error) {
  console.error(error.message)
  if (/already in use/.test(error.message)) console.error('Stop the program that uses it, or set DEMO_PORT.')
  process.exit(1)
}
