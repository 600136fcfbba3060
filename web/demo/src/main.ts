import type { AuthChange } from '@latchkey-auth/client'
import { auth, serverUrl } from './auth.ts'
import { focusHeading, say, show, type View } from './page.ts'
import { loginView } from './views/login.ts'
import { meView } from './views/me.ts'
import { signupView } from './views/signup.ts'

type Route = '#/login' | '#/signup' | '#/me'

const views: Record<Route, () => View> = { '#/login': loginView, '#/signup': signupView, '#/me': meView }

let shown: Route | undefined

/**
 * Where the person may be, whatever the address says: the account is for those who are logged in, the forms are for
 * everyone else. This is for convenience. What guards the account is the server.
 */
function routeFor(hash: string): Route {
  if (auth.isAuthenticated()) return '#/me'
  return hash === '#/signup' ? hash : '#/login'
}

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

function wordsFor(change: AuthChange): string {
  if (change.type === 'signed_in') return 'You are logged in.'
  switch (change.reason) {
    case 'logout':
      return 'You are logged out.'
    case 'expired':
      return 'Your session has ended. Log in again.'
    case 'refused':
      return 'The server no longer accepts your session. Log in again.'
  }
}

auth.onAuthChange((change) => {
  // In another tab somebody else may have logged in.
  render(change.type === 'signed_in')
  say(wordsFor(change))
})
window.addEventListener('hashchange', () => {
  render()
})
document.getElementById('server')?.append(serverUrl)
render()
