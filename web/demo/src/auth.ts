import { createClient, webStorage } from '@latchkey-auth/client'
import { account } from '@latchkey-auth/client/account'

export const serverUrl = import.meta.env.VITE_LATCHKEY_URL

/**
 * The one client of the page. Who has it can act as the person who is logged in.
 *
 * It keeps the tokens in localStorage, so that the person stays logged in over a reload, in every tab and when the browser
 * is started again, until they log out or the session ends. In a browser that blocks the site's data, memory serves until
 * the next reload.
 *
 * The price: any script that runs in this page's origin can read the tokens from there, today's or one that gets in
 * at any later visit, and so can whoever uses the same browser. The page's policy (vite.config.ts) is what stands
 * against the former, the log-out button against the latter. Without `storage` the tokens live only in memory, where
 * other scripts don't see them, and every reload and every further tab asks for the password again.
 */
export const auth = createClient({ baseUrl: serverUrl, storage: webStorage('local') })

/** The account of that person, and the ways back into it. */
export const mine = account(auth)
