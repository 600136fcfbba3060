import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type Server as HttpServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

import { decodeProtectedHeader, generateKeyPair, SignJWT } from 'jose'
import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { cors } from 'hono/cors'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest'

import { startServer } from '../../e2e/server.ts'
import { createClient, memoryStorage } from '../dist/index.js'
import { requireUser as forExpress } from '../dist/express.js'
import { requireUser as forFastify } from '../dist/fastify.js'
import { requireUser as forHono, type UserVariables } from '../dist/hono.js'
import { createVerifier, type Verify } from '../dist/verify.js'
import { someone } from './person.ts'

const names = { issuer: 'latchkey', audience: 'latchkey:auth' }
const page = 'http://127.0.0.1:5173'

/** Passes a request of Node to a handler of the Fetch standard, as adapters do. */
function bridge(fetch: (request: Request) => Response | Promise<Response>) {
  return async (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const headers = new Headers()
    incoming.rawHeaders.forEach((name, i, all) => {
      if (i % 2 === 0) headers.append(name, all[i + 1] ?? '')
    })
    const method = incoming.method ?? 'GET'
    const answer = await fetch(new Request(`http://localhost${incoming.url ?? '/'}`, { method, headers }))
    outgoing.writeHead(answer.status, Object.fromEntries(answer.headers))
    outgoing.end(Buffer.from(await answer.arrayBuffer()))
  }
}

/** An application of each framework: `/me` has the user's ID, `/mine/` is a part that is protected as a whole. */
const frameworks: Record<string, (verify: Verify) => HttpServer | Promise<HttpServer>> = {
  express: (verify) => {
    const app = express()
    app.use((req, res, next) => {
      res.setHeader('Access-Control-Allow-Origin', page)
      if (req.method !== 'OPTIONS') next()
      else res.writeHead(204, { 'Access-Control-Allow-Headers': 'authorization' }).end()
    })
    app.get('/me', forExpress(verify), (req, res) => {
      res.json({ uid: req.user?.uid satisfies string | undefined })
    })
    app.use('/mine', forExpress(verify), (req, res) => {
      res.send(req.user?.username)
    })
    app.use((error: Error, _: express.Request, res: express.Response, next: express.NextFunction) => {
      if (res.headersSent) next(error)
      else res.status(500).end()
    })
    return createServer(app)
  },
  fastify: async (verify) => {
    const app = fastify({ forceCloseConnections: true })
    app.addHook('onRequest', async (req, reply) => {
      reply.header('Access-Control-Allow-Origin', page)
      if (req.method !== 'OPTIONS') return
      return reply.code(204).header('Access-Control-Allow-Headers', 'authorization').send()
    })
    app.get('/me', { onRequest: forFastify(verify) }, (req) => ({ uid: req.user?.uid satisfies string | undefined }))
    await app.register((part) => {
      part.addHook('onRequest', forFastify(verify))
      part.all('/mine/*', (req) => req.user?.username)
      return Promise.resolve()
    })
    await app.ready()
    return app.server
  },
  hono: (verify) => {
    const app = new Hono<{ Variables: UserVariables }>()
    app.use(cors({ origin: page, allowHeaders: ['authorization'] }))
    app.get('/me', forHono(verify), (c) => c.json({ uid: c.get('user').uid }))
    app.use('/mine/*', forHono(verify))
    app.all('/mine/*', (c) => c.text(c.get('user').username))
    return createServer((incoming, outgoing) => void bridge(app.fetch)(incoming, outgoing))
  },
}

async function served(application: HttpServer | Promise<HttpServer>): Promise<string> {
  const server = (await application).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Sends a request with all of the headers, each as often as it is listed. */
async function ask(url: string, headers: string[] = [], method = 'GET') {
  const sent = request(url, { method, headers: ['Host', new URL(url).host, ...headers], agent: false }).end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  const body = await text(answer)
  const isJson = (answer.headers['content-type'] ?? '').includes('json') && body !== ''
  return { status: answer.statusCode, headers: answer.headers, body, json: isJson ? (JSON.parse(body) as unknown) : {} }
}

const bearer = (token: string) => ['Authorization', `Bearer ${token}`]

async function tokenAt(url: string): Promise<string> {
  const storage = memoryStorage()
  expect(await createClient({ baseUrl: url, storage }).register(someone())).toMatchObject({ ok: true })
  return (JSON.parse(storage.get() ?? '') as { access_token: string }).access_token
}

/** A token of a server that has stopped. */
let dead: { url: string; token: string }
let token: string
beforeAll(async () => {
  token = await tokenAt(inject('url'))
  const server = await startServer()
  dead = { url: server.url, token: await tokenAt(server.url) }
  await server.stop()
})
afterAll(() => {
  vi.useRealTimers()
})

describe.each(Object.entries(frameworks))('%s', (_, application) => {
  test('a request with a token has its user', async () => {
    const verify = createVerifier({ url: inject('url'), ...names })
    const url = await served(application(verify))
    const { uid, username } = await verify(token)
    expect(await ask(`${url}/me`, bearer(token))).toMatchObject({ status: 200, json: { uid } })
    expect(await ask(`${url}/mine/orders`, bearer(token))).toMatchObject({ status: 200, body: username })
  })

  test('each form of the header is answered as the server answers it', async () => {
    const url = await served(application(createVerifier({ url: inject('url'), ...names })))
    const [head, claims] = token.split('.')
    const cases: Record<string, string[]> = {
      'no header': [],
      empty: ['Authorization', ''],
      'the scheme alone': ['Authorization', 'Bearer'],
      'the scheme and a space': ['Authorization', 'Bearer '],
      'no scheme': ['Authorization', token],
      'another scheme': ['Authorization', `Basic ${token}`],
      'a scheme that begins like it': ['Authorization', `Bearers ${token}`],
      'lower case': ['authorization', `bearer ${token}`],
      'upper case': ['AUTHORIZATION', `BEARER ${token}`],
      'two spaces': ['Authorization', `Bearer  ${token}`],
      'a tab': ['Authorization', `Bearer\t${token}`],
      'spaces around': ['Authorization', `  Bearer ${token}  `],
      'a space within': ['Authorization', `Bearer ${token} x`],
      'two headers': [...bearer(token), ...bearer(token)],
      'two headers, one bad': [...bearer(token), ...bearer('x')],
      'a word': bearer('x'),
      quoted: bearer(`"${token}"`),
      'no signature': bearer(`${head ?? ''}.${claims ?? ''}.`),
      'too long': bearer(token + 'A'.repeat(5000)),
    }
    for (const query of ['', `?access_token=${token}`, '?x=%']) {
      for (const [name, headers] of Object.entries(cases)) {
        const [own, server] = await Promise.all([
          ask(`${url}/me${query}`, headers),
          ask(`${inject('url')}/api/users/me/${query}`, headers),
        ])
        expect(own.status, `${name} ${query}`).toBe(server.status)
        if (own.status === 200) continue
        expect(own.headers, `${name} ${query}`).toMatchObject({
          'www-authenticate': server.headers['www-authenticate'],
          'content-type': expect.stringMatching(/^application\/problem\+json/) as string,
          'cache-control': 'no-store',
        })
        const { code, detail, status } = server.json as Record<string, unknown>
        expect(own.json, `${name} ${query}`).toMatchObject({ code, detail, status })
      }
    }
  })

  test('a token that is forged, for others or expired is refused', async () => {
    const verify = createVerifier({ url: inject('url'), ...names })
    const url = await served(application(verify))
    const { kid = '' } = decodeProtectedHeader(token)
    const { privateKey } = await generateKeyPair('ES256')
    const forged = await new SignJWT({ ...(await verify(token)) })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
      .sign(privateKey)
    const refused = { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } }
    expect(await ask(`${url}/me`, bearer(forged))).toMatchObject(refused)
    expect(await ask(`${url}/me`, bearer(dead.token)), 'of another server').toMatchObject(refused)
    const elsewhere = await served(application(createVerifier({ url: inject('url'), ...names, audience: 'other' })))
    expect(await ask(`${elsewhere}/me`, bearer(token))).toMatchObject(refused)

    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 16 * 60_000 })
    onTestFinished(() => {
      vi.useRealTimers()
    })
    expect(await ask(`${url}/me`, bearer(token)), 'expired').toMatchObject(refused)
  })

  test('without the keys it is 503, and 401 still where no key is needed', async () => {
    const url = await served(application(createVerifier({ url: dead.url, ...names })))
    expect(await ask(`${url}/me`, bearer(dead.token))).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1', 'content-type': expect.stringContaining('application/problem+json') as string },
      json: { status: 503, code: 'unavailable' },
    })
    expect(await ask(`${url}/me`)).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } })
  })

  test('a part that is protected is so for each method', async () => {
    const url = await served(application(createVerifier({ url: inject('url'), ...names })))
    for (const method of ['HEAD', 'GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      const answer = await ask(`${url}/mine/orders`, [], method)
      expect(answer, method).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } })
      expect(answer.body === '', method).toBe(method === 'HEAD')
    }
  })

  test('behind CORS, a preflight is answered, and a page can read why it is refused', async () => {
    const url = await served(application(createVerifier({ url: inject('url'), ...names })))
    const asks = [
      'Origin',
      page,
      'Access-Control-Request-Method',
      'GET',
      'Access-Control-Request-Headers',
      'authorization',
    ]
    expect(await ask(`${url}/mine/orders`, asks, 'OPTIONS')).toMatchObject({
      status: 204,
      headers: { 'access-control-allow-origin': page, 'access-control-allow-headers': 'authorization' },
    })
    expect(await ask(`${url}/mine/orders`, ['Origin', page])).toMatchObject({
      status: 401,
      headers: { 'access-control-allow-origin': page },
    })
  })

  test('an error that is not the token’s is the application’s', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined) // Hono writes it
    onTestFinished(() => {
      vi.restoreAllMocks()
    })
    const url = await served(application(() => Promise.reject(new Error('a bug'))))
    const answer = await ask(`${url}/me`, bearer(token))
    expect(answer.status).toBe(500)
  })
})
