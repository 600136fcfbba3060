import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { badFields, button, field, fill, heading, said, signUp, somebody, whereFocused } from './demo-person.ts'
import { closeStage, openStage, visit, type Stage } from './demo-site.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => closeStage(stage))

test('the demo says that this browser is offline, and that an answer takes too long', async () => {
  const page = await stage.browser.newPage()
  await page.clock.install()
  await page.goto(stage.site.origin)
  const who = somebody()
  await fill(page, { Email: who.email, Password: who.password })
  await page.context().setOffline(true)
  await button(page, 'Log in').click()
  await said(page, 'You are offline. Try again when you are connected.')
  await page.context().setOffline(false)

  // Never answered.
  await page.route(`${stage.server.url}/api/**`, () => undefined)
  await button(page, 'Log in').click()
  await button(page, 'Logging in…').waitFor()
  await page.clock.fastForward(16_000)
  await said(page, 'There was no answer in time. Try again.')
  await button(page, 'Log in').waitFor()
  await page.close()
})

test('the demo says which setting lets its origin in', async () => {
  // The same page at an address that the server doesn't know.
  const elsewhere = createServer((request, response) => {
    void fetch(`${stage.site.origin}${request.url ?? ''}`).then(async (answer) => {
      response.setHeader('Content-Type', answer.headers.get('Content-Type') ?? '')
      response.end(new Uint8Array(await answer.arrayBuffer()))
    })
  })
  await once(elsewhere.listen(0, '127.0.0.1'), 'listening')
  const origin = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`
  const page = await stage.browser.newPage()
  await page.goto(origin)
  const who = somebody()
  await fill(page, { Email: who.email, Password: who.password })
  await button(page, 'Log in').click()
  const words = `The Latchkey server is running, but it doesn’t let this page in. Start it with LATCHKEY_CORS_ORIGINS=${origin}`
  await said(page, words)
  await page.close()
  elsewhere.close()
})

// The last one: it stops the server.
test('the demo says that its server can’t be reached, and keeps what was typed', async () => {
  const words = `The Latchkey server can’t be reached at ${stage.server.url}. Is it running?`
  const page = await visit(stage, [
    [0, '/api/users/me/'],
    [0, '/.well-known/jwks.json'],
    [0, '/api/oauth/revoke/'],
    [0, '/api/users/login/token/'],
    [0, '/.well-known/jwks.json'],
  ])
  const who = somebody()
  await signUp(page, who)
  await page.getByText(who.email, { exact: true }).waitFor()
  await stage.server.stop()
  await page.reload()
  await said(page, words)
  // What the client knows of the person is there all the same.
  await page.getByText(who.email, { exact: true }).waitFor()
  await button(page, 'Try again').waitFor()
  await button(page, 'Log out').click()

  await heading(page, 'Log in')
  await fill(page, { Email: who.email, Password: who.password })
  await button(page, 'Log in').click()
  await said(page, words)
  expect(await badFields(page)).toEqual({})
  expect(await field(page, 'Email').inputValue()).toBe(who.email)
  expect(await field(page, 'Password').inputValue()).toBe(who.password)
  expect((await whereFocused(page)).name).toBe('Log in')
})
