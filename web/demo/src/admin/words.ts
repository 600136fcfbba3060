import type { ManagedEvent, ManagedUser } from '@latchkey-auth/client/operators'

/** Words for every type of the contract. A type without words doesn't compile. */
export const eventWords: Record<ManagedEvent['type'], string> = {
  'user.registered': 'Signed up',
  'user.created': 'Account created',
  'user.invited': 'Invited',
  'user.imported': 'Moved in from elsewhere',
  'user.updated': 'Profile changed',
  'user.roles_changed': 'Roles changed',
  'user.activated': 'Unlocked',
  'user.deactivated': 'Locked',
  'user.deleted': 'Account deleted',
  'user.logged_in': 'Logged in',
  'login.failed': 'Login failed',
  'password.changed': 'Password changed',
  'password.reset_sent': 'Password reset mailed by an operator',
  'password.reset': 'New password set with a mailed code',
  'code.failed': 'Wrong code entered',
  'email.changed': 'Email changed',
  'email.change_undone': 'Change of the email undone',
  'email.verified': 'Email verified',
  'session.reauthenticated': 'Proved again who they are',
  'session.ended': 'Session ended',
  'session.reuse_detected': 'Session ended, because it may have been stolen',
  'sessions.ended': 'All sessions ended',
}

export const roleWords: Record<ManagedUser['roles'][number], string> = {
  superuser: 'Superuser',
  support: 'Support',
}

const moment = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })

export function timeOf(time: string): string {
  return moment.format(new Date(time))
}
