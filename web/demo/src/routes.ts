import { auth } from './auth.ts'
import { heldLink, type LinkKind } from './link.ts'
import type { View } from './page.ts'
import { pendingOf } from './pending.ts'
import { completeView } from './views/complete.ts'
import { deleteView } from './views/delete.ts'
import { emailView } from './views/email.ts'
import { eventsView } from './views/events.ts'
import { forgottenView } from './views/forgotten.ts'
import { codeView, enterCodeView } from './views/code.ts'
import { loginView } from './views/login.ts'
import { meView } from './views/me.ts'
import { notesView } from './views/notes.ts'
import { passwordView } from './views/password.ts'
import { profileView } from './views/profile.ts'
import { resetView } from './views/reset.ts'
import { sessionsView } from './views/sessions.ts'
import { signupView } from './views/signup.ts'
import { verifyView } from './views/verify.ts'

/** Views for a person who is not logged in. */
const guestViews = {
  '#/login': loginView,
  '#/signup': signupView,
  '#/complete': completeView,
  '#/forgotten': forgottenView,
  '#/reset': resetView,
  '#/code': codeView,
  '#/enter': enterCodeView,
}

/** Views for a person who is. */
const ownViews = {
  '#/notes': notesView,
  '#/me': meView,
  '#/profile': profileView,
  '#/email': emailView,
  '#/verify': verifyView,
  '#/password': passwordView,
  '#/sessions': sessionsView,
  '#/events': eventsView,
  '#/delete': deleteView,
}

type GuestRoute = keyof typeof guestViews
type OwnRoute = keyof typeof ownViews
export type Route = GuestRoute | OwnRoute

export const views: Record<Route, () => View> = { ...guestViews, ...ownViews }

const isGuest = (hash: string): hash is GuestRoute => Object.hasOwn(guestViews, hash)
const isOwn = (hash: string): hash is OwnRoute => Object.hasOwn(ownViews, hash)

/** Where a mail's link leads. */
const linked: Record<LinkKind, Route> = {
  complete_registration: '#/complete',
  verify_email: '#/verify',
  change_email: '#/verify',
  // To undo a change of the email takes a new password, too.
  email_changed: '#/reset',
  reset_password: '#/reset',
  // The first password is set like another one.
  invitation: '#/reset',
  login_code: '#/enter',
  continue_login: '#/enter',
}

/**
 * Returns the view that a person may see. Notes and account are for a person who is logged in, the
 * other views for everybody else. This is for convenience: what guards an account is the server.
 */
export function routeFor(hash: string): Route {
  const link = heldLink()
  const isIn = auth.isAuthenticated()
  // A new password is for either. To verify an email one logs in first, and is led here after.
  if (link && linked[link.kind] === '#/reset') return '#/reset'
  const wanted = link && isOwn(linked[link.kind]) === isIn ? linked[link.kind] : hash
  if (isIn) return isOwn(wanted) && (wanted !== '#/verify' || link) ? wanted : '#/me'
  if (wanted === '#/complete' && !pendingOf('complete_registration')) return '#/signup'
  if (wanted === '#/reset' && !pendingOf('reset_password')) return '#/forgotten'
  if (wanted === '#/enter' && !pendingOf('login_code')) return '#/code'
  return isGuest(wanted) ? wanted : '#/login'
}
