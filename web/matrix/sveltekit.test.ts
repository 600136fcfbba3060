import { join } from 'node:path'

import { expect, inject, test } from 'vitest'

import { folder, modules, register, run, serve } from './fixture.ts'

test('SvelteKit: the built application logs in by a form, and renders who that was', async () => {
  const app = folder('sveltekit')
  await run(app, process.execPath, [join(modules, 'vite/bin/vite.js'), 'build', '--logLevel', 'error'])
  const url = inject('shortUrl')
  const origin = await serve(app, () => ['build'], { LATCHKEY_URL: url, HOST: '127.0.0.1' })

  const { email, username, password } = await register(url)
  const answer = await fetch(origin, {
    method: 'POST',
    headers: { Origin: origin },
    body: new URLSearchParams({ email, password }),
    redirect: 'manual',
  })
  const [cookie = ''] = answer.headers.getSetCookie()
  expect(cookie).toMatch(/^__Host-latchkey=\S+; Max-Age=\d+; Path=\/; HttpOnly; Secure; SameSite=Lax$/)
  const page = await fetch(`${origin}/account`, { headers: { Cookie: cookie.split(';')[0] ?? '' }, redirect: 'manual' })
  expect(await page.text()).toContain(`Logged in as ${username}`)
  expect((await fetch(`${origin}/account`, { redirect: 'manual' })).status).toBe(303)
})
