/** What a code was asked for in this browser. */
export type Purpose = 'complete_registration' | 'reset_password' | 'login_code'

/** A code that was asked for: it counts only together with its `request`. */
export interface Pending {
  readonly email: string
  readonly request: string
}

const key = (purpose: Purpose) => `latchkey-demo ${purpose}`

/**
 * Keeps a request for all tabs, as the mail's link opens in another one. Who reads it can do
 * nothing with it without the mail. A browser that keeps nothing for this site keeps it until the
 * page is left.
 */
export function keepPending(purpose: Purpose, pending: Pending): void {
  memory.set(purpose, pending)
  try {
    localStorage.setItem(key(purpose), JSON.stringify(pending))
  } catch {
    // Memory will do.
  }
}

export function pendingOf(purpose: Purpose): Pending | undefined {
  try {
    const kept = JSON.parse(localStorage.getItem(key(purpose)) ?? 'null') as Pending | null
    return kept ?? memory.get(purpose)
  } catch {
    return memory.get(purpose)
  }
}

export function dropPending(purpose: Purpose): void {
  memory.delete(purpose)
  try {
    localStorage.removeItem(key(purpose))
  } catch {
    // Then nothing was kept there.
  }
}

const memory = new Map<Purpose, Pending>()
