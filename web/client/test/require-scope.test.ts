import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import express from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'
import { describe, expect, onTestFinished, test } from 'vitest'

import { requireScope as forExpress, requireUser as userForExpress } from '../dist/express.js'
import { requireScope as forFastify, requireUser as userForFastify } from '../dist/fastify.js'
import { requireScope as forHono, requireUser as userForHono } from '../dist/hono.js'
import { hasScopes, type Claims, type Verify } from '../dist/verify.js'

/** A token is its own scope here: what checks tokens has its own tests. */
const verify: Verify = (scope) => Promise.resolve({ username: 'ada', scope } as unknown as Claims)

type Ask = (path: string, headers?: Record<string, string>) => Promise<Response>

async function served(server: Server): Promise<Ask> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  return (path, headers = {}) => fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, { headers })
}

/** An application of each framework: `/users` demands two scopes, and `/open` has forgotten to check the token. */
const frameworks: Record<string, () => Promise<Ask>> = {
  express: () => {
    const app = express()
    const answer: express.RequestHandler = (_, res) => void res.send('let in')
    app.get('/users', userForExpress(verify), forExpress('users:read', 'users:write'), answer)
    app.get('/open', forExpress('users:read'), answer)
    return served(createServer(app))
  },
  fastify: async () => {
    const app = fastify({ forceCloseConnections: true })
    const hooks = [userForFastify(verify), forFastify('users:read', 'users:write')]
    app.get('/users', { onRequest: hooks }, () => 'let in')
    app.get('/open', { onRequest: forFastify('users:read') }, () => 'let in')
    await app.ready()
    return served(app.server)
  },
  hono: () => {
    const app = new Hono()
    app.get('/users', userForHono(verify), forHono('users:read', 'users:write'), (c) => c.text('let in'))
    app.get('/open', forHono('users:read'), (c) => c.text('let in'))
    return Promise.resolve(async (path, headers = {}) => app.request(path, { headers }))
  },
}

describe.each(Object.entries(frameworks))('requireScope for %s', (_, start) => {
  test('lets in a token that has all of the scopes', async () => {
    const ask = await start()
    for (const scope of ['users:read users:write', 'events:read users:write users:read']) {
      const answer = await ask('/users', { Authorization: `Bearer ${scope}` })
      expect([answer.status, await answer.text()]).toEqual([200, 'let in'])
    }
  })

  test('refuses another one, and names the scopes', async () => {
    const ask = await start()
    for (const scope of [
      '',
      'users:read',
      'users:write events:read',
      'users:reader users:write',
      'USERS:READ users:write',
    ]) {
      const answer = await ask('/users', { Authorization: `Bearer ${scope}` })
      expect([answer.status, answer.headers.get('WWW-Authenticate'), answer.headers.get('Cache-Control')]).toEqual([
        403,
        'Bearer error="insufficient_scope", scope="users:read users:write"',
        'no-store',
      ])
      expect(answer.headers.get('Content-Type')).toMatch(/^application\/problem\+json(;|$)/)
      expect(await answer.json()).toEqual({
        title: 'Forbidden',
        status: 403,
        detail: 'The token or the roles of its user lack a scope.',
        code: 'insufficient_scope',
        scopes: ['users:read', 'users:write'],
      })
    }
  })

  test('lets nobody in where nothing has checked a token', async () => {
    const answer = await (await start())('/open', { Authorization: 'Bearer users:read' })
    expect([answer.status, answer.headers.get('WWW-Authenticate')]).toEqual([401, 'Bearer'])
  })
})

test('a scope that is no text is none', () => {
  expect(hasScopes({ scope: ['users:read'] } as unknown as Claims, 'users:read')).toBe(false)
  expect(hasScopes({} as Claims, 'users:read')).toBe(false)
  expect(hasScopes({ scope: 'users:read' } as Claims)).toBe(true)
})

test.each([[[]], [['']], [['users:read users:write']], [['a"b']], [['users:read', '']]])(
  'a list of scopes that is %j lets nobody in: it is refused at once',
  (scopes) => {
    for (const requireScope of [forExpress, forFastify, forHono])
      expect(() => requireScope(...scopes)).toThrow(TypeError)
  },
)
