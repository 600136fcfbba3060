import { createClient, webStorage } from '@latchkey-auth/client'
import { account } from '@latchkey-auth/client/account'
import { notesUrl, serverUrl } from './urls.ts'

/**
 * The one client of the page. Code that has it can act as the person who is logged in. Besides the
 * server, only the notes' API gets the access token.
 *
 * The tokens are kept in localStorage. So the person stays logged in over a reload, in every tab
 * and when the browser is started again, until they log out or the session ends. The price: any
 * script that runs in this page's origin can read the tokens, and so can another person who uses
 * the same browser. The page's policy (vite.config.ts) stands against the first, the logout button
 * against the second. With the default, `memoryStorage`, other scripts can't read the tokens, and
 * every reload and every further tab asks for the password again.
 */
export const auth = createClient({
  baseUrl: serverUrl,
  storage: webStorage('local'),
  apiOrigins: [new URL(notesUrl).origin],
})

/** The account of that person, and the ways back into it. */
export const mine = account(auth)
