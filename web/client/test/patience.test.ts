import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { beforeEach, describe, expect, inject, onTestFinished, test, vi } from 'vitest'

import { memoryStorage } from '../dist/index.js'
import { patiently } from '../src/refresh.ts'
import { counting, kept, listening, someone } from './person.ts'

type Told = { ok: true; data: null } | { ok: false; error: { code: string; status?: number; retryAfter?: number } }

const lost: Told = { ok: false, error: { code: 'network_error' } }

/** When tries were begun, in milliseconds since the first, and when it was over. */
async function triesOf(work: (timeout: number) => Promise<Told>) {
  const began = Date.now()
  const tries: number[] = []
  let over = 0
  const asked = patiently((timeout) => {
    tries.push(Date.now() - began)
    return work(timeout)
  }).finally(() => {
    over = Date.now() - began
  })
  await vi.advanceTimersByTimeAsync(60_000)
  return { result: await asked, tries, over }
}

const after = (ms: number, told: Told) =>
  new Promise<Told>((resolve) => {
    setTimeout(resolve, ms, told)
  })

describe('a refresh of which nobody knows what came of it', () => {
  beforeEach(() => {
    vi.useFakeTimers()
    return () => {
      vi.useRealTimers()
    }
  })

  test('is tried again for seven seconds, where it fails at once', async () => {
    expect(await triesOf(() => Promise.resolve(lost))).toEqual({
      result: lost,
      tries: [0, 500, 1500, 3500, 7000],
      over: 7000,
    })
  })

  test('is not tried again after eight seconds, however long each try takes', async () => {
    for (let takes = 0; takes <= 12_000; takes += 250) {
      const { tries } = await triesOf((timeout) => after(Math.min(takes, timeout), lost))
      expect(tries.length, `${takes} ms each`).toBeGreaterThan(2)
      expect(tries.at(-1), `${takes} ms each`).toBeLessThanOrEqual(8000)
    }
  })

  test('is given up in its first tries after some seconds, and has time in its last', async () => {
    const late: Told = { ok: false, error: { code: 'timeout' } }
    expect(await triesOf((timeout) => after(timeout, late))).toEqual({
      result: late,
      tries: [0, 3000, 6500],
      over: 16_500,
    })
  })

  test.each([
    ['unavailable', 503, undefined, [0, 500]],
    ['internal_error', 500, undefined, [0, 500]],
    ['unexpected_answer', 502, undefined, [0, 500]],
    ['unexpected_answer', 504, undefined, [0, 500]],
    ['unavailable', 503, 3, [0, 3000]],
    // A longer wait would end the session.
    ['unavailable', 503, 3600, [0, 7000]],
    ['starting', 503, 1, [0, 1000]],
    ['invalid_refresh_token', 400, undefined, [0]],
    // Of a server of contract 0.5.
    ['invalid_refresh_token', 401, undefined, [0]],
    ['cross_origin', 403, undefined, [0]],
    ['rate_limited', 429, 1, [0]],
    ['unexpected_answer', 404, undefined, [0]],
  ])('is tried again after %s (%i, Retry-After %o) at %o', async (code, status, retryAfter, expected) => {
    const error = { code, status, ...(retryAfter !== undefined && { retryAfter }) }
    let isFirst = true
    const { tries } = await triesOf(() => {
      const told: Told = isFirst ? { ok: false, error } : { ok: true, data: null }
      isFirst = false
      return Promise.resolve(told)
    })
    expect(tries).toEqual(expected)
  })

  test('is not tried again without a network, where nothing can have been sent', async () => {
    const offline: Told = { ok: false, error: { code: 'offline' } }
    expect(await triesOf(() => Promise.resolve(offline))).toEqual({ result: offline, tries: [0], over: 0 })
  })

  test('has less time where the token may have been in use before', async () => {
    const tries: number[] = []
    const began = Date.now()
    const asked = patiently(() => {
      tries.push(Date.now() - began)
      return Promise.resolve(lost)
    }, began - 3000)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await asked).toBe(lost)
    expect(tries).toEqual([0, 500, 1500, 3500, 4000])
  })

  test('is not tried again by a machine that has slept meanwhile', async () => {
    let count = 0
    const asked = patiently(() => Promise.resolve((count++, lost)))
    await vi.advanceTimersByTimeAsync(100)
    vi.setSystemTime(Date.now() + 3_600_000)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(await asked).toBe(lost)
    expect(count).toBe(1)
  })
})

const problem = (status: number, code: string) =>
  Response.json({ code, status, detail: 'No.' }, { status, headers: { 'Content-Type': 'application/problem+json' } })

test.each<[string, () => Response]>([
  [
    'is lost',
    () => {
      throw new TypeError('the answer was lost')
    },
  ],
  ['becomes a 503', () => problem(503, 'unavailable')],
  ['becomes a 500', () => problem(500, 'internal_error')],
  ['becomes a proxy’s 502', () => new Response('<h1>Bad Gateway</h1>', { status: 502 })],
])('a refresh whose answer %s logs nobody out', async (_, instead) => {
  let lose = 2
  const { auth, changes, refreshes } = counting(inject('shortUrl'), memoryStorage(), (answer) =>
    lose-- > 0 ? instead() : answer,
  )
  const registered = await auth.register(someone())
  expect(await auth.me()).toEqual(registered)
  // Two answers were lost, and one was not. On a slow machine a try may be given up before it is
  // answered, and then there are more.
  expect(lose).toBeLessThan(0)
  expect(refreshes()).toBeGreaterThanOrEqual(3)
  expect(changes).toEqual([{ type: 'signed_in' }])
})

test('a refresh that hangs is sent again, and its answer is good', async () => {
  let count = 0
  const server = createServer((request, response) => {
    if (request.url !== '/api/users/login/token/') return response.writeHead(503).end()
    // The first is never answered.
    if (count++ === 0) return undefined
    const token = { access_token: 'next', token_type: 'bearer', expires_in: 900, refresh_token: 'lkr_next' }
    return response.end(JSON.stringify({ ...token, refresh_expires_in: 2_592_000 }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const storage = memoryStorage()
  storage.set(kept({ since: Date.now() - 900_001 }))
  const { auth, changes } = listening({
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    storage,
  })
  await auth.me()
  expect(count).toBeGreaterThanOrEqual(2)
  expect(JSON.parse(storage.get() ?? '')).toMatchObject({ refresh_token: 'lkr_next' })
  expect(changes).toEqual([])
})
