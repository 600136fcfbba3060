import { join } from 'node:path'

import { expect, inject, test } from 'vitest'

import { launchBrowser, openPage } from '../e2e/browser.ts'
import { folder, modules, register, run, serve } from './fixture.ts'

test('Vite and React: the built page logs in, in a browser', async () => {
  const vite = join(modules, 'vite/bin/vite.js')
  const url = inject('url')
  const app = folder('vite')
  await run(app, process.execPath, [vite, 'build', '--logLevel', 'error'])
  const preview = (port: string) => [vite, 'preview', '--port', port, '--host', '127.0.0.1']
  const origin = await serve(app, preview, { LATCHKEY_URL: url })

  const { email, username, password } = await register(url)
  const browser = await launchBrowser()
  try {
    const { page } = await openPage(browser, { origins: [origin] })
    await page.goto(origin)
    await page.getByLabel('Email').fill(email)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button').click()
    await page.getByText('Logged in').waitFor()
    expect(await page.getByRole('paragraph').textContent()).toBe(`Logged in as ${username}`)
    await page.context().close()
  } finally {
    await browser.close()
  }
})
