// Compiled, not run: the middlewares fit wherever their frameworks take one.

import { createServer } from 'node:http'

import express, { type RequestHandler } from 'express'
import fastify from 'fastify'
import { Hono } from 'hono'

import { requireScope as scopeForExpress, requireUser as forExpress } from '../dist/express.js'
import { requireScope as scopeForFastify, requireUser as forFastify } from '../dist/fastify.js'
import { requireScope as scopeForHono, requireUser as forHono } from '../dist/hono.js'
import type { Verify } from '../dist/verify.js'

export function expressTakesIt(verify: Verify): void {
  const handler: RequestHandler = forExpress(verify)
  express().use(handler, forExpress(verify), scopeForExpress('users:read'))
  express.Router().route('/:id').all(forExpress(verify))
  express().get('/:id', forExpress(verify), (req, res) => {
    // @ts-expect-error: not every route is protected
    res.send(`${req.params.id} ${req.user.uid}`)
  })
  createServer((req, res) => {
    void forExpress(verify)(req, res, () => res.end())
  })
}

export function fastifyTakesIt(verify: Verify): void {
  fastify().addHook('onRequest', forFastify(verify)).addHook('preHandler', forFastify(verify))
  fastify({ http2: true }).addHook('onRequest', forFastify(verify))
  const hooks = { onRequest: [forFastify(verify), scopeForFastify('users:read')], preHandler: forFastify(verify) }
  fastify().get<{ Params: { id: string } }>('/:id', hooks, (request) => {
    // @ts-expect-error: not every route is protected
    return request.user.uid + request.params.id
  })
}

export function honoTakesIt(verify: Verify): void {
  new Hono()
    .use('*', forHono(verify), scopeForHono('a:b', 'c:d'))
    .get('/:id', forHono(verify), (c) => c.text(c.var.user.uid + c.req.param('id')))
}
