import type { Version } from '@latchkey-auth/client/account'
import { mine } from '../auth.ts'
import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { goTo, type View } from '../page.ts'
import { back } from './back.ts'
import { loading } from './loading.ts'

export function profileView(): View {
  const body = loading({ ask: () => mine.read(), view: form })
  return { title: 'Profile', body: el('div', {}, body, back()) }
}

function form({ user, etag }: Version): HTMLElement {
  return makeForm({
    fields: [
      {
        name: 'username',
        pointer: '/username',
        label: 'Username',
        hint: 'What others see. Letters, digits, “_” and “-”.',
        kind: 'text',
        autocomplete: 'nickname',
        value: user.username,
      },
      {
        name: 'name',
        pointer: '/display_name',
        label: 'Name',
        hint: 'What you want to be called. It may stay empty.',
        kind: 'text',
        autocomplete: 'name',
        value: user.display_name ?? '',
        isOptional: true,
      },
    ],
    submit: 'Save',
    busy: 'Saving…',
    send: async ({ username, name }) => {
      // With the version that the form shows, so that a change from elsewhere isn't overwritten.
      const changes = { username, display_name: name === '' ? null : name }
      const result = await mine.update(changes, { ifMatch: etag })
      if (!result.ok) return result.error
      goTo('#/me', 'Your profile is saved.')
      return undefined
    },
  })
}
