import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'

import { expect, onTestFinished, test } from 'vitest'

import { createClient } from '../dist/index.js'
import { listening, someone } from './person.ts'

/** Something else than Latchkey at the other end: a proxy, or a server of another release. */
async function answering(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const json = { 'Content-Type': 'application/problem+json', 'X-Request-Id': 'of-somebody', 'Retry-After': '7' }

test.each([
  ['a page of a proxy', 502, { 'Content-Type': 'text/html' }, '<h1>Bad Gateway</h1>'],
  ['nothing', 200, {}, ''],
  ['JSON that was cut off', 200, { 'Content-Type': 'application/json' }, '{"access_token": "e30'],
  ['JSON that is no object', 200, { 'Content-Type': 'application/json' }, '[]'],
  ['an error without a body', 500, {}, ''],
  ['an error that is no object', 500, json, '"internal_error"'],
  ['a code that is not in the contract', 418, json, '{"code": "teapot", "status": 418, "detail": "short"}'],
  ['a code of another operation', 409, json, '{"code": "email_taken", "status": 409, "detail": "taken"}'],
  ['a code by the name of a method', 500, json, '{"code": "toString", "status": 500, "detail": ""}'],
  ['a status that is not the answer’s', 500, json, '{"code": "internal_error", "status": 503, "detail": ""}'],
])('%s is an unexpected answer', async (_, status, headers, body) => {
  const baseUrl = await answering((_, response) => {
    response.writeHead(status, headers).end(body)
  })
  const { auth, changes } = listening({ baseUrl })
  expect(await auth.login(someone())).toMatchObject({ ok: false, error: { code: 'unexpected_answer', status } })
  expect(await auth.me()).toMatchObject({ ok: status === 200 && body === '{}' })
  expect(changes).toEqual([])
})

test('Retry-After and the request id are told', async () => {
  const baseUrl = await answering((_, response) => {
    response.writeHead(503, json).end('{"code": "unavailable", "status": 503, "detail": "later"}')
  })
  expect(await createClient({ baseUrl }).me()).toEqual({
    ok: false,
    error: { code: 'unavailable', status: 503, detail: 'later', requestId: 'of-somebody', retryAfter: 7 },
  })
})

test('a connection that fails is a network error', async () => {
  const broken = await answering((request) => {
    request.socket.destroy()
  })
  const halfway = await answering((request, response) => {
    response.writeHead(200, { 'Content-Length': '100' }).write('{"access_token": ', () => {
      request.socket.destroy()
    })
  })
  for (const baseUrl of [broken, halfway, 'http://127.0.0.1:1']) {
    const { auth, changes } = listening({ baseUrl })
    expect(await auth.login(someone())).toMatchObject({ ok: false, error: { code: 'network_error' } })
    expect(changes).toEqual([])
  }
})

test('a call can be given up', async () => {
  const baseUrl = await answering(() => undefined)
  const giveUp = new AbortController()
  const asked = createClient({ baseUrl }).me({ signal: giveUp.signal })
  giveUp.abort()
  expect(await asked).toMatchObject({ ok: false, error: { code: 'network_error', cause: { name: 'AbortError' } } })
})
