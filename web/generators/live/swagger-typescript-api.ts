import { Api } from '../made/swagger-typescript-api/api'
import type { Person } from './person'

/** Registers, logs in and returns the email of who is logged in. */
export async function liveWithSwaggerTypescriptApi(baseUrl: string, person: Person): Promise<string> {
  const { email: username, password } = person
  const { api, setSecurityData } = new Api<string>({
    baseUrl,
    securityWorker: (token) => ({ headers: { Authorization: `Bearer ${token ?? ''}` } }),
  })
  await api.registerUser(person)
  const { data: token } = await api.login({ username, password })
  setSecurityData(token.access_token)
  return (await api.getCurrentUser()).data.email
}
