import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { axeFindings, loadAxe } from './axe.ts'
import { badFields, button, field, fill, focused, heading, said, signUp, somebody } from './demo-person.ts'
import { closeStage, openStage, visit, type Stage } from './demo-site.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => closeStage(stage))

/** Signs up and goes to the notes. */
async function openNotes(page: Page): Promise<void> {
  await signUp(page, somebody())
  await page.getByRole('link', { name: 'Notes', exact: true }).click()
  await heading(page, 'Your notes')
}

/** Waits until these are the notes, the newest first. */
async function notes(page: Page, ...texts: string[]): Promise<void> {
  await expect.poll(() => page.locator('.note div p:first-child').allTextContents()).toEqual(texts)
}

async function add(page: Page, text: string): Promise<void> {
  await fill(page, { 'New note': text })
  await button(page, 'Add the note').click()
  await page.getByText(text, { exact: true }).waitFor()
}

test('notes are kept at the API for the person who is logged in, and for nobody else', async () => {
  const page = await visit(stage, [[422, `${stage.api.url}/notes`]])
  await loadAxe(page)
  await openNotes(page)
  await page.getByText('There are none yet.').waitFor()
  await button(page, 'Add the note').click()
  await said(page, 'Please check the marked fields.')
  expect(await badFields(page)).toEqual({ text: 'Please fill this in.' })
  await fill(page, { 'New note': 'x'.repeat(281) })
  await button(page, 'Add the note').click()
  await expect.poll(() => badFields(page)).toEqual({ text: 'It must have 1 to 280 characters.' })
  expect(await focused(page)).toBe('text')

  await add(page, 'milk')
  expect(await field(page, 'New note').inputValue()).toBe('')
  await said(page, 'The note is added.')
  await add(page, '<b>bread</b>')
  expect(await axeFindings(page)).toEqual([])
  await notes(page, '<b>bread</b>', 'milk')
  await page.reload()
  await notes(page, '<b>bread</b>', 'milk')

  const other = await visit(stage)
  await openNotes(other)
  await other.getByText('There are none yet.').waitFor()

  await button(page, 'Delete: milk').click()
  await notes(page, '<b>bread</b>')
  await said(page, 'The note is deleted.')
  expect(await focused(page)).toBe('heading')
})

test('a note that was deleted in another tab goes here too', async () => {
  // Not by `visit`: the answer for the second tab is a 404.
  const context = await stage.browser.newContext()
  const page = await context.newPage()
  await page.goto(stage.site.origin)
  await openNotes(page)
  await add(page, 'milk')
  const tab = await context.newPage()
  await tab.goto(`${stage.site.origin}/#/notes`)
  await button(tab, 'Delete: milk').click()
  await notes(tab)
  await button(page, 'Delete: milk').click()
  await notes(page)
  await context.close()
})

test('an access token that has expired meanwhile is refreshed before the API gets it', async () => {
  const page = await visit(stage)
  await openNotes(page)
  await add(page, 'milk')
  const sent: string[] = []
  page.on('request', (request) => {
    if (request.method() !== 'OPTIONS') sent.push(`${request.method()} ${new URL(request.url()).pathname}`)
  })
  await page.evaluate(() => {
    const session = JSON.parse(localStorage.getItem('latchkey') ?? '') as { since: number }
    localStorage.setItem('latchkey', JSON.stringify({ ...session, since: session.since - 3_600_000 }))
  })
  await page.reload()
  await notes(page, 'milk')
  expect(sent.filter((each) => each.includes('/notes') || each.startsWith('POST'))).toEqual([
    'POST /api/users/login/token/',
    'GET /notes',
  ])
})

// Not by `visit`, which takes for failures what is provoked here.
test('says which service is missing or refuses the page, and goes on once it is mended', async () => {
  const { site, server, api, browser } = stage
  const page = await browser.newPage()
  await page.goto(site.origin)
  await loadAxe(page)
  await openNotes(page)
  await add(page, 'milk')
  const again = () => button(page, 'Try again').click()
  const missing = `The notes’ API can’t be reached at ${api.url}. Is it running?`

  await api.stop()
  await fill(page, { 'New note': 'bread' })
  await button(page, 'Add the note').click()
  await said(page, missing)
  expect(await field(page, 'New note').inputValue()).toBe('bread')
  await button(page, 'Delete: milk').click()
  await said(page, missing)
  await page.reload()
  await said(page, missing)
  expect(await axeFindings(page)).toEqual([])

  await api.start({ NOTES_ORIGIN: 'http://127.0.0.1:1' })
  await again()
  await said(
    page,
    `The notes’ API is running, but it doesn’t let this page in. Start it with NOTES_ORIGIN=${site.origin}`,
  )
  await api.stop()
  await api.start({ NOTES_AUDIENCE: 'another:api' })
  await again()
  await said(
    page,
    'The notes’ API doesn’t accept the access token. Compare its issuer and its audience with the server’s.',
  )
  await api.stop()
  await api.start({ NOTES_LATCHKEY_URL: 'http://127.0.0.1:1' })
  await again()
  await said(page, 'The notes’ API can’t check the access token now. It can’t fetch the keys of the Latchkey server.')

  await api.stop()
  await api.start()
  await again()
  await said(page, '')
  expect(await focused(page)).toBe('heading')
  await add(page, 'bread')
  await page.close()
  expect(server.output()).not.toContain('level=ERROR')
})
