import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { expect, onTestFinished, test, vi } from 'vitest'

import { createVerifier, InvalidToken } from '../dist/verify.js'
import { acceptedTokens, refusedTokens, vectorKey, vectorTime } from './vectors.ts'

/**
 * The tokens that are accepted, although authn refuses them, by the beginnings of their names: jose
 * reads JSON as JavaScript does, and asks little of a claim. Only the server could sign such
 * tokens; it doesn't. The one with other unused bits says the same as the token that it was made
 * of.
 */
const lenient = new RegExp(
  [
    '^(an unused bit|unused bits|(claims|header) with a BOM',
    'alg twice|an unknown one twice|exp twice|sid twice|sub twice|uid twice',
    'Aud beside|Sid beside|iss with long s|sub with a long s|sub a lone surrogate|aud of numbers',
    '(sid|uid) (a|in|of|with|without) |exp ([0-9]e|253402300800|9223372036854775808)|expired, by a fraction',
    'iat (0|0.5|-1|-1767606300)$)',
  ].join('|'),
)

test('each of the tokens that all verifiers share is accepted or refused as authn does', async () => {
  let requests = 0
  const server = createServer((_, response) => {
    requests++
    response.end(JSON.stringify({ keys: [vectorKey] }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    vi.useRealTimers()
    server.close()
  })
  vi.useFakeTimers({ toFake: ['Date'], now: vectorTime })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const verify = createVerifier({ url, issuer: 'latchkey', audience: 'latchkey:auth' })
  for (const [name, token] of acceptedTokens)
    await expect(verify(token), name).resolves.toMatchObject({ username: 'ada' })
  const accepted = []
  for (const [name, token] of refusedTokens) {
    const outcome: unknown = await verify(token).catch((error: unknown) => error)
    if (!(outcome instanceof InvalidToken)) accepted.push(name)
  }
  expect(accepted).toEqual(refusedTokens.map(([name]) => name).filter((name) => lenient.test(name)))
  expect(requests).toBe(1)
})
