import type { SignedOutReason } from '@latchkey-auth/client'
import { focusHeading, say, show, type View } from '../page.ts'
import { addressOf, type Address } from './address.ts'
import { auth } from './auth.ts'
import { showBar } from './bar.ts'
import { eventsView } from './events.ts'
import { inviteView } from './invite.ts'
import { loginView } from './login.ts'
import { userView } from './user.ts'
import { usersView } from './users.ts'

/** Returns the view of an address. A guest gets the login at every address, and after it what the address asks for. */
function viewOf({ path, query }: Address): View {
  if (!auth.isAuthenticated()) return loginView()
  const [, id] = /^\/users\/([\w-]+)$/.exec(path) ?? []
  if (id !== undefined) return userView(id)
  if (path === '/events') return eventsView(query)
  return path === '/invite' ? inviteView() : usersView(query)
}

let isFirst = true

function render(): void {
  const address = addressOf(location.hash)
  show(viewOf(address))
  showBar(address.path)
  // After the page is loaded, the focus stays where the browser puts it.
  if (!isFirst) focusHeading()
  isFirst = false
}

const farewells: Record<SignedOutReason, string> = {
  logout: 'You are logged out.',
  expired: 'Your session has ended. Log in again.',
  refused: 'The server no longer accepts your session. Log in again.',
  lost: 'This browser has lost your session. Log in again.',
}

auth.onAuthChange((change) => {
  if (change.type === 'signed_in') render()
  if (change.type !== 'signed_out') return
  render()
  say(farewells[change.reason])
})
window.addEventListener('hashchange', render)
render()
