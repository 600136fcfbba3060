import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { Browser } from 'playwright-core'
import { launchBrowser } from './browser.ts'
import { startServer, type Server } from './server.ts'

/** A page with one script, on an origin of its own that its server lets in, and a browser to open it. */
export interface Application {
  readonly origin: string
  readonly server: Server
  readonly browser: Browser
  stop(): Promise<void>
}

/** Serves the page at every path. `script` returns its code for the server's URL; the code may import the client. */
export async function openApplication(script: (server: string) => string): Promise<Application> {
  let code = ''
  const site = createServer((request, response) => {
    const isScript = request.url === '/app.js'
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? code : '<!doctype html><link rel="icon" href="data:," /><script src="/app.js"></script>')
  }).listen(0, '127.0.0.1')
  await once(site, 'listening')
  const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`
  const server = await startServer({ LATCHKEY_CORS_ORIGINS: origin })
  const bundle = await build({
    stdin: { contents: script(server.url), resolveDir: join(import.meta.dirname, '..', 'client') },
    bundle: true,
    format: 'iife',
    write: false,
  })
  code = bundle.outputFiles[0]?.text ?? ''
  const browser = await launchBrowser()
  return {
    origin,
    server,
    browser,
    stop: async () => {
      await browser.close()
      site.close()
      await server.stop()
    },
  }
}
