import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { inject, onTestFinished } from 'vitest'

import { createVerifier } from '../dist/verify.js'

/** One's own API, on an origin of its own. It checks tokens by the server's keys. */
export interface Api {
  readonly origin: string
  /** What has arrived: `method path authorization body`. */
  readonly seen: string[]
}

/** What an API does with a request. `uid` is the user's id if the token is good. */
export type Handler = (answer: { request: IncomingMessage; response: ServerResponse; uid: string | undefined }) => void

/** What it does unless a test says otherwise. */
const paths: Record<string, Handler> = {
  '/orders': ({ response, uid }) => {
    if (uid === undefined) response.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end()
    else response.end(JSON.stringify({ uid }))
  },
  // An API that has forgotten the challenge.
  '/bare': ({ response, uid }) => response.writeHead(uid === undefined ? 401 : 200).end(),
  // What it refuses is not the token.
  '/grumpy': ({ response }) => response.writeHead(401).end(),
  '/suspicious': ({ response }) =>
    response.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end(),
  '/pin': ({ response }) => response.writeHead(401, { 'WWW-Authenticate': 'Bearer error="wrong_pin"' }).end(),
  '/silent': () => undefined,
  '/halfway': ({ response }) => response.write('the first half'),
  '/broken': ({ request }) => request.socket.destroy(),
}

/** Starts an API. */
export async function ownApi(more: Record<string, Handler> = {}, authUrl = inject('url')): Promise<Api> {
  const verify = createVerifier({ url: authUrl, issuer: 'latchkey', audience: 'latchkey:auth' })
  const handlers = { ...paths, ...more }
  const seen: string[] = []
  const server = createServer((request, response) => {
    void (async () => {
      let body = ''
      for await (const chunk of request.setEncoding('utf8')) body += chunk as string
      const { method = '', url = '', headers } = request
      const token = headers.authorization?.replace(/^Bearer /, '')
      seen.push(`${method} ${url} ${token ?? 'none'} ${body}`.trim())
      const claims = token === undefined ? undefined : await verify(token).catch(() => undefined)
      handlers[url]?.({ request, response, uid: claims?.uid })
    })()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}
