import { createElement } from 'react'
import { renderToString } from 'react-dom/server'
import { expect, test } from 'vitest'

import { createClient, memoryStorage } from '../dist/index.js'
import { AuthProvider, useAuth, useUser } from '../dist/react.js'
import { kept } from './person.ts'

function Status() {
  const { client, status } = useAuth()
  return `${status}, ${useUser()?.username ?? 'nobody'}, ${client.isAuthenticated()}`
}

test('a server renders nobody, whatever the client’s storage holds, and sends nothing', () => {
  const storage = memoryStorage()
  storage.set(kept())
  const send = () => Promise.reject(new Error('nothing is sent'))
  const client = createClient({ baseUrl: 'http://127.0.0.1:1', storage, fetch: send })
  const page = createElement(AuthProvider, { client }, createElement(Status))
  expect(renderToString(page)).toBe('loading, nobody, true')
})

test('a hook outside of the provider says what is missing', () => {
  expect(() => renderToString(createElement(Status))).toThrow('useAuth needs an <AuthProvider> above it')
})
