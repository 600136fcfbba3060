/** What a mail's link is for. The mail has it in the link's fragment, which no server and no referrer gets to see. */
const kinds = [
  'complete_registration',
  'verify_email',
  'change_email',
  'email_changed',
  'reset_password',
  'invitation',
  'login_code',
  'continue_login',
] as const
export type LinkKind = (typeof kinds)[number]

export interface Link {
  readonly kind: LinkKind
  /** Counts where the mail's code does. */
  readonly token: string
}

let held: Link | undefined

/**
 * Takes the token of a mail's link out of the address, so that it stays neither in the address bar
 * nor in the history. Nothing is sent: what the link is for happens when the person presses a
 * button, which no scanner of mails does for them with effect.
 */
export function takeLink(): void {
  const [, kind, token] = /^#(\w+)=(lkl_[\w-]+)$/.exec(location.hash) ?? []
  const known = kinds.find((each) => each === kind)
  if (known === undefined || token === undefined) return
  held = { kind: known, token }
  // Also leaves the page's path, which only mails lead to.
  history.replaceState(null, '', import.meta.env.BASE_URL)
}

/** The link that the person has come by, until it is used or left. */
export function heldLink(kind?: LinkKind): Link | undefined {
  return kind === undefined || held?.kind === kind ? held : undefined
}

export function dropLink(): void {
  held = undefined
}
