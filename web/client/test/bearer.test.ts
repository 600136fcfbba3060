import { expect, onTestFinished, test, vi } from 'vitest'

import { takesToken } from '../src/bearer.ts'

const me = '/api/users/me/'

/** A request as a page makes it: relative to its own address, which Node has none of. */
class PageRequest extends Request {
  constructor(input: string) {
    super(new URL(input, 'https://page.example.com/app/?next=1#/me'))
  }
}

test.each([
  ['https://auth.example.com', 'https://auth.example.com', true],
  ['https://auth.example.com/', 'https://auth.example.com', true],
  ['https://AUTH.example.com:443', 'https://auth.example.com', true],
  ['https://auth.example.com/base', 'https://auth.example.com/base', true],
  ['https://auth.example.com/base/', 'https://auth.example.com/base', true],
  ['', 'https://page.example.com', true],
  ['/base', 'https://page.example.com/base', true],
  ['https://auth.example.com', 'https://auth.example.com.evil.com', false],
  ['https://auth.example.com', 'https://auth.example.com:8443', false],
  ['https://auth.example.com', 'http://auth.example.com', false],
  ['https://auth.example.com', 'https://evil.com/https://auth.example.com', false],
  ['https://auth.example.com/base', 'https://auth.example.com', false],
  ['https://auth.example.com/base', 'https://auth.example.com/basement', false],
  ['https://auth.example.com/base', 'https://auth.example.com/base/..', false],
  ['https://auth.example.com/base', 'https://auth.example.com/base/%2e%2e', false],
  ['', 'https://page.example.com.evil.com', false],
  ['', 'https://auth.example.com', false],
  ['/base', 'https://page.example.com', false],
])('a client of %o gives its token to %s: %o', (baseUrl, base, takes) => {
  vi.stubGlobal('Request', PageRequest)
  onTestFinished(() => {
    vi.unstubAllGlobals()
  })
  expect(takesToken(baseUrl, `GET ${me}`, new Request(`${base}${me}`))).toBe(takes)
})

test.each([
  ['GET', '/api/users/me/sessions/'],
  ['POST', '/api/users/logout/'],
  ['GET', '/api/users/'],
  ['DELETE', '/api/users/{user_id}/sessions/'],
  ['POST', '/api/users/invitations/'],
  ['GET', '/api/events/'],
])('%s %s gets the token', (method, path) => {
  const baseUrl = 'https://auth.example.com'
  expect(takesToken(baseUrl, `${method} ${path}`, new Request(`${baseUrl}${path}`, { method }))).toBe(true)
})

test.each([
  ['GET', '/healthz'],
  ['GET', '/readyz'],
  ['POST', '/api/users/'],
  ['POST', '/api/users/login/token/'],
  ['POST', '/api/oauth/revoke/'],
  ['GET', '/.well-known/jwks.json'],
  ['GET', '/elsewhere/api/users/me/'],
  ['GET', '/api/users/me/../'],
  ['GET', '/api/users/media/'],
  ['GET', '/api/users/complete/'],
])('%s %s gets no token', (method, path) => {
  const baseUrl = 'https://auth.example.com'
  expect(takesToken(baseUrl, `${method} ${path}`, new Request(`${baseUrl}${path}`, { method }))).toBe(false)
})
