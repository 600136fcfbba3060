import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser } from './browser.ts'
import { startServer, type Server } from './server.ts'

let server: Server
let browser: Browser
const foreign = createServer((_, response) => {
  response.setHeader('Content-Type', 'text/html')
  response.end('<!doctype html><title>elsewhere</title><iframe name="sink"></iframe>')
})
let elsewhere: string

beforeAll(async () => {
  server = await startServer()
  browser = await launchBrowser()
  await once(foreign.listen(0, '127.0.0.2'), 'listening')
  // Another address, so that it is another site.
  elsewhere = `http://127.0.0.2:${(foreign.address() as AddressInfo).port}/`
})
afterAll(async () => {
  await browser.close()
  await new Promise((done) => foreign.close(done))
  await server.stop()
})

const login = (password: string) =>
  fetch(`${server.url}/api/users/login/token/`, {
    method: 'POST',
    body: new URLSearchParams({ username: 'ada@example.com', password }),
  })

test('a page of another site posts the form of the login, and its visitor loses nothing', async () => {
  const page = await browser.newPage()
  await page.goto(elsewhere)
  const target = `${server.url}/api/users/login/token/`
  const statuses: number[] = []
  page.on('response', (response) => {
    if (response.url() === target) statuses.push(response.status())
  })
  await page.evaluate(async (url) => {
    const body = () => new URLSearchParams({ username: 'ada@example.com', password: 'wrong' })
    for (let i = 0; i < 10; i++) {
      await fetch(url, { method: 'POST', mode: 'no-cors', body: body() })
      navigator.sendBeacon(url, body())
      const form = document.createElement('form')
      Object.assign(form, { method: 'post', action: url, target: 'sink' })
      for (const [name, value] of body()) {
        form.append(Object.assign(document.createElement('input'), { name, value }))
      }
      document.body.append(form)
      const loaded = new Promise((done) => {
        document.querySelector('iframe')?.addEventListener('load', done, { once: true })
      })
      form.submit()
      await loaded
    }
  }, target)
  await expect.poll(() => statuses.length).toBeGreaterThanOrEqual(20)
  expect(new Set(statuses)).toEqual(new Set([403]))
  expect(server.output()).toContain('code=cross_origin')

  // The ten attempts that strangers have at the account are all there.
  for (let i = 0; i < 10; i++) expect((await login('wrong')).status).toBe(401)
  expect((await login('wrong')).status).toBe(429)
  await page.close()
})
