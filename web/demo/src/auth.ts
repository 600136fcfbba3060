import { createClient, memoryStorage, webStorage } from '@latchkey-auth/client'

export const serverUrl = import.meta.env.VITE_LATCHKEY_URL

/** The one client of the page. Who has it can act as the person who is logged in. */
export const auth = createClient({ baseUrl: serverUrl, storage: tokenStorage() })

/**
 * Keeps the token in sessionStorage, so that a reload keeps the person logged in until the tab is closed.
 *
 * The price: any script that runs in this page's origin can read the token from there, today's or one that gets in
 * tomorrow. The page's policy (vite.config.ts) is what stands against that. Without `storage` the token lives only in
 * memory, where other scripts don't see it, and every reload asks for the password again.
 */
function tokenStorage() {
  try {
    return webStorage(sessionStorage)
  } catch {
    // A browser that blocks the site's data throws at the mere mention. Memory serves until the next reload.
    return memoryStorage()
  }
}
