import { el } from '../dom.ts'
import { makeForm } from '../form.ts'
import { goTo, type View } from '../page.ts'
import { proving } from '../views/proof.ts'
import type { AppError } from '../words.ts'
import { hashOf } from './address.ts'
import { admin, mine } from './auth.ts'
import { roleWords } from './words.ts'

/** Invites somebody: they get a mail, and set their password by it. */
export function inviteView(): View {
  const form: HTMLFormElement = makeForm<'email' | 'name' | 'role'>({
    fields: [
      { name: 'email', pointer: '/email', label: 'Email', kind: 'email', autocomplete: 'off' },
      {
        name: 'name',
        pointer: '/display_name',
        label: 'Name',
        hint: 'It may stay empty.',
        kind: 'text',
        autocomplete: 'off',
        isOptional: true,
      },
      {
        name: 'role',
        pointer: '/roles/0',
        label: 'Role',
        kind: 'choice',
        autocomplete: 'off',
        choices: [['', 'None'], ...Object.entries(roleWords)],
        isOptional: true,
      },
    ],
    submit: 'Invite',
    busy: 'Inviting…',
    send: ({ email, name, role }) =>
      proving(mine, form, () =>
        invite(
          email,
          name,
          (Object.keys(roleWords) as Role[]).filter((each) => each === role),
        ),
      ),
  })
  const words = el('p', {}, 'They get a mail, and choose their password with it.')
  return { title: 'Invite somebody', body: el('div', {}, words, form) }
}

type Role = keyof typeof roleWords

async function invite(email: string, name: string, roles: Role[]): Promise<AppError | undefined> {
  const result = await admin.inviteUser({ email, roles, ...(name !== '' && { display_name: name }) })
  if (result.ok) goTo(hashOf(`/users/${result.data.user.id}`), `An invitation is on its way to ${email}.`)
  else if (result.error.code === 'email_taken')
    goTo(hashOf('/users', { email_prefix: email }), 'This email already has an account.')
  else return result.error
  return undefined
}
