import { createClient, webStorage } from '@latchkey-auth/client'
import { account } from '@latchkey-auth/client/account'
import { operators } from '@latchkey-auth/client/operators'
import { serverUrl } from '../urls.ts'

/** What a login of this page asks for. It gets those that the roles of the person hold. */
export const scopes = ['users:read', 'users:write', 'sessions:end', 'events:read'] as const

/**
 * The client of this page, apart from that of the everyday page. A user who is logged in there has
 * to log in here as well, so a script that takes the everyday token can't administer with it. The
 * session is over when the tab is closed.
 */
export const auth = createClient({ baseUrl: serverUrl, storage: webStorage('session', 'latchkey-operator') })

/** The operator's own account, for a fresh proof of who they are. */
export const mine = account(auth)

/** What the operator can do with the accounts of others. */
export const admin = operators(auth)
