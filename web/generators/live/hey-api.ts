import { createClient } from '../made/hey-api/client'
import { getCurrentUser, login, registerUser } from '../made/hey-api/sdk.gen'
import type { Person } from './person'

/** Registers, logs in and returns the email of who is logged in. */
export async function liveWithHeyApi(baseUrl: string, person: Person): Promise<string> {
  const { email: username, password } = person
  const guest = createClient({ baseUrl })
  await registerUser({ client: guest, body: person, throwOnError: true })
  const { data: token } = await login({ client: guest, body: { username, password }, throwOnError: true })
  const user = createClient({ baseUrl, auth: token.access_token })
  const { data: me } = await getCurrentUser({ client: user, throwOnError: true })
  return me.email
}
