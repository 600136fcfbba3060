import type { SignedOutReason } from '@latchkey-auth/client'
import { auth } from './auth.ts'
import { showBar } from './bar.ts'
import { dropLink, takeLink } from './link.ts'
import { focusHeading, say, show } from './page.ts'
import { routeFor, views, type Route } from './routes.ts'

let shown: Route | undefined

/**
 * Shows what the address asks for. The address is corrected in place, so that Back never leads into
 * a loop. A view that is shown already stays as it is, unless it has to be made anew.
 */
function render(isAnew = false): void {
  const route = routeFor(location.hash)
  if (route !== location.hash) history.replaceState(null, '', route)
  if (route === shown && !isAnew) return
  const first = shown === undefined
  shown = route
  show(views[route]())
  showBar(route)
  // After the page is loaded, the focus stays where the browser puts it.
  if (!first) focusHeading()
}

const farewells: Record<SignedOutReason, string> = {
  logout: 'You are logged out.',
  expired: 'Your session has ended. Log in again.',
  refused: 'The server no longer accepts your session. Log in again.',
  lost: 'This browser has lost your session. Log in again.',
}

auth.onAuthChange((change) => {
  switch (change.type) {
    case 'signed_in':
      // In another tab somebody else may have logged in.
      render(true)
      say('You are logged in.')
      break
    case 'signed_out':
      render()
      say(farewells[change.reason])
      break
    case 'user_updated':
    case 'token_refreshed':
      // A view shows what it has asked for, and a form that is being filled in stays.
      break
  }
})
window.addEventListener('hashchange', () => {
  // A person who goes to another view leaves the link of the mail.
  dropLink()
  takeLink()
  // If the browser has lost the session meanwhile, the listener above hears of it.
  void auth.resume()
  render()
})
takeLink()
render()
