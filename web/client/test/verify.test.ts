import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'

import { decodeProtectedHeader, errors, generateKeyPair, SignJWT } from 'jose'
import { expect, onTestFinished, test, vi } from 'vitest'

import { startServer, type Server } from '../../e2e/server.ts'
import { createClient, memoryStorage } from '../dist/index.js'
import { createVerifier, InvalidToken, KeysUnavailable } from '../dist/verify.js'
import { someone } from './person.ts'

const names = { issuer: 'latchkey', audience: 'latchkey:auth' }

async function started(env: Record<string, string> = {}): Promise<Server> {
  const server = await startServer(env)
  onTestFinished(() => server.stop())
  return server
}

async function tokenOf(server: Server): Promise<string> {
  const storage = memoryStorage()
  expect(await createClient({ baseUrl: server.url, storage }).register(someone())).toMatchObject({ ok: true })
  return (JSON.parse(storage.get() ?? '') as { access_token: string }).access_token
}

/** Runs a command of the binary beside the server. */
async function latchkey(server: Server, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(server.binary, args, { env: server.env, cwd: server.folder })
  return stdout
}

test.each(['ES256', 'EdDSA', 'RS256'])('a token under %s is verified, and what is not one is refused', async (alg) => {
  const server = await started({ LATCHKEY_JWT_ALGORITHM: alg })
  const verify = createVerifier({ url: `${server.url}/`, ...names })
  const token = await tokenOf(server)
  const claims = await verify(token)
  expect(claims).toMatchObject({ iss: 'latchkey', aud: 'latchkey:auth' })
  for (const id of [claims.uid, claims.sid]) expect(id).toMatch(/^[0-9a-f-]{36}$/)

  const [head = '', payload = '', signature = ''] = token.split('.')
  const { kid } = decodeProtectedHeader(token)
  const forged = (header: object) =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'HS256', ...header })
      .sign(new TextEncoder().encode('0123456789'.repeat(4)))
  const headOf = (header: object) => Buffer.from(JSON.stringify(header)).toString('base64url')
  const refused = {
    nothing: '',
    'two parts': `${head}.${payload}`,
    'alg none': `${headOf({ alg: 'none', typ: 'at+jwt', kid })}.${payload}.`,
    'another key': await forged({ typ: 'at+jwt', kid: kid ?? '' }),
    'no kid': `${headOf({ alg, typ: 'at+jwt' })}.${payload}.${signature}`,
    'one member more': `${headOf({ alg, typ: 'at+jwt', kid, jku: server.url })}.${payload}.${signature}`,
    'a changed claim': `${head}.${Buffer.from(JSON.stringify({ ...claims, uid: claims.sid })).toString('base64url')}.${signature}`,
    'a changed signature': `${head}.${payload}.${signature.replace(/^./, (c) => (c === 'A' ? 'B' : 'A'))}`,
    'too long': `${token}${'A'.repeat(5000)}`,
  }
  for (const [name, text] of Object.entries(refused)) await expect(verify(text), name).rejects.toThrow(InvalidToken)
  for (const other of [{ audience: 'another' }, { issuer: 'another' }]) {
    await expect(createVerifier({ url: server.url, ...names, ...other })(token)).rejects.toThrow(InvalidToken)
  }
})

test('a key that was made since is found, and one that was retired is forgotten', async () => {
  const server = await started()
  const verify = createVerifier({ url: server.url, ...names })
  const first = await tokenOf(server)
  await verify(first)
  const { kid = '' } = decodeProtectedHeader(first)
  await latchkey(server, 'key', 'retire', kid)
  // The server follows within ten seconds.
  let second = first
  await expect
    .poll(async () => decodeProtectedHeader((second = await tokenOf(server))).kid, { timeout: 20_000, interval: 500 })
    .not.toBe(kid)
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  vi.setSystemTime(Date.now() + 10_001)
  expect(await verify(second)).toMatchObject({ iss: names.issuer })
  await expect(verify(first)).rejects.toThrow(InvalidToken)
})

test('a rotation disturbs nobody: tokens under the former key stay good, and the next key is known before it signs', async () => {
  const server = await started()
  const url = server.url
  const verify = createVerifier({ url, ...names })
  const token = await tokenOf(server)
  const fetched = Date.now()
  const claims = await verify(token)
  const published = async () => {
    const answer = await fetch(`${url}/.well-known/jwks.json`)
    return ((await answer.json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)
  }
  const [former] = await published()
  await latchkey(server, 'key', 'rotate')
  await expect.poll(published, { timeout: 20_000, interval: 500 }).toHaveLength(2)
  const next = (await published()).find((kid) => kid !== former) ?? ''

  /** What a verifier says of a token that somebody else has signed, and under this key. */
  const { privateKey } = await generateKeyPair('ES256')
  const refusal = async (kid: string) => {
    const forged = await new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
      .sign(privateKey)
    const error: unknown = await verify(forged).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(InvalidToken)
    return (error as InvalidToken).cause
  }
  // The server may have taken longer to follow than the set is kept for.
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  vi.setSystemTime(fetched + 1_000)
  // The set from before the rotation is less than ten seconds old: it is not fetched again for who
  // names another key.
  expect(await refusal(next)).toBeInstanceOf(errors.JWKSNoMatchingKey)
  expect(await verify(token)).toEqual(claims)
  vi.setSystemTime(fetched + 20_000)
  // Now it is, and has the next key, which has not signed this.
  expect(await refusal(next)).toBeInstanceOf(errors.JWSSignatureVerificationFailed)
  expect(await refusal('nobody-s')).toBeInstanceOf(errors.JWKSNoMatchingKey)
  for (const each of [verify, createVerifier({ url, ...names })]) expect(await each(token)).toEqual(claims)
  // What is issued now is still under the former key: those who keep the former set need not know
  // the next.
  const issued = await tokenOf(server)
  expect(decodeProtectedHeader(issued).kid).toBe(former)
  expect(await verify(issued)).toMatchObject({ iss: 'latchkey' })
})

test('keys that are known serve on while the server is down, for a day', async () => {
  const server = await startServer()
  const verify = createVerifier({ url: server.url, ...names })
  const token = await tokenOf(server)
  const claims = await verify(token)
  await server.stop()
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  vi.setSystemTime(Date.now() + 10 * 60_000)
  expect(await verify(token)).toEqual(claims)
  vi.setSystemTime(Date.now() + 86_400_000)
  await expect(verify(token)).rejects.toThrow(KeysUnavailable)
  await expect(createVerifier({ url: server.url, ...names })(token)).rejects.toThrow(KeysUnavailable)
})

test('a server that fails is asked every ten seconds, and no request waits for it meanwhile', async () => {
  const server = await started()
  const token = await tokenOf(server)
  let failing = false
  let asked = 0
  const proxy = createServer((request, response) => {
    asked++
    if (failing) request.socket.destroy()
    else void fetch(`${server.url}${request.url ?? ''}`).then(async (answer) => response.end(await answer.text()))
  }).listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  onTestFinished(() => {
    vi.useRealTimers()
    proxy.closeAllConnections()
    proxy.close()
  })
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  const verify = createVerifier({ url, ...names })
  const askedBy = async (each: (token: string) => Promise<unknown>, times = 3) => {
    const before = asked
    const results = []
    for (let i = 0; i < times; i++) results.push(await each(token).catch((error: unknown) => error))
    return { requests: asked - before, results }
  }
  expect(await askedBy(verify)).toMatchObject({ requests: 1, results: Array(3).fill({ iss: 'latchkey' }) })

  failing = true
  vi.setSystemTime(Date.now() + 300_000)
  expect(await askedBy(verify)).toMatchObject({ requests: 1, results: Array(3).fill({ iss: 'latchkey' }) })
  vi.setSystemTime(Date.now() + 10_000)
  expect(await askedBy(verify)).toMatchObject({ requests: 1, results: Array(3).fill({ iss: 'latchkey' }) })

  // Without any key, every request needs the server: it is asked every second.
  const cold = createVerifier({ url, ...names })
  const unavailable = { name: 'KeysUnavailable', cause: expect.any(TypeError) as unknown }
  expect(await askedBy(cold)).toMatchObject({ requests: 1, results: Array(3).fill(unavailable) })
  vi.setSystemTime(Date.now() + 1_000)
  expect(await askedBy(cold)).toMatchObject({ requests: 1, results: Array(3).fill(unavailable) })

  // A clock that is set back keeps nobody out.
  failing = false
  vi.setSystemTime(Date.now() - 1_000)
  expect(await askedBy(cold, 1)).toMatchObject({ requests: 1, results: [{ iss: 'latchkey' }] })
})

test('an answer that has no keys is `KeysUnavailable`', async () => {
  const odd = createServer((_, response) => response.end('<h1>It works</h1>')).listen(0, '127.0.0.1')
  await once(odd, 'listening')
  onTestFinished(() => {
    odd.closeAllConnections()
    odd.close()
  })
  const url = `http://127.0.0.1:${(odd.address() as AddressInfo).port}`
  const header = Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: 'a' })).toString('base64url')
  const token = `${header}.e30.${'A'.repeat(86)}`
  await expect(createVerifier({ url, ...names })(token)).rejects.toThrow(KeysUnavailable)
})

test.each(['url', 'issuer', 'audience'])('a verifier without the option %s is a TypeError', (name) => {
  for (const value of [undefined, '']) {
    const options = { url: 'http://127.0.0.1:8000', ...names, [name]: value }
    expect(() => createVerifier(options)).toThrow(TypeError)
  }
})
