import type { SignedOutReason } from '@latchkey-auth/client'
import { auth, serverUrl } from './auth.ts'
import { dropLink, takeLink } from './link.ts'
import { focusHeading, say, show } from './page.ts'
import { routeFor, views, type Route } from './routes.ts'

let shown: Route | undefined

/**
 * Shows what the address asks for. The address is corrected in place, so that Back never leads into a loop. A view that
 * is shown already stays as it is, unless it is about somebody else now.
 */
function render(isAnew = false): void {
  const route = routeFor(location.hash)
  if (route !== location.hash) history.replaceState(null, '', route)
  if (route === shown && !isAnew) return
  const first = shown === undefined
  shown = route
  show(views[route]())
  // A page that has just been loaded keeps the focus where the browser puts it.
  if (!first) focusHeading()
}

function wordsFor(reason: SignedOutReason): string {
  switch (reason) {
    case 'logout':
      return 'You are logged out.'
    case 'expired':
      return 'Your session has ended. Log in again.'
    case 'refused':
      return 'The server no longer accepts your session. Log in again.'
    case 'lost':
      return 'Your browser has removed your session. Log in again.'
  }
}

auth.onAuthChange((change) => {
  if (change.type === 'signed_in') {
    // In another tab somebody else may have logged in.
    render(true)
    say('You are logged in.')
  } else if (change.type === 'signed_out') {
    render()
    say(wordsFor(change.reason))
  }
})
window.addEventListener('hashchange', () => {
  // Whoever goes elsewhere leaves what a mail's link has brought.
  dropLink()
  takeLink()
  render()
})
document.getElementById('server')?.append(serverUrl)
takeLink()
render()
