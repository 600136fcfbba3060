'use client'

import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useMemo,
  useState,
  useSyncExternalStore,
  type ReactElement,
  type ReactNode,
} from 'react'

import type { Client, User } from './index.ts'

/** The session of a client, for the components of a page. */
export interface Auth {
  readonly client: Client
  /** The user, as `client.user`. While `signed_in` it is null until the server has returned the user. */
  readonly user: User | null
  /** `loading` on a server, and in a page until `resume` has returned and found no session. */
  readonly status: 'loading' | 'signed_in' | 'signed_out'
}

const AuthContext = createContext<Auth | null>(null)

/** How long until the user is asked for again where the server could not answer, in milliseconds. */
const retryAfter = 5000

/**
 * Gives the components below it the session of a client. When mounted it resumes the session, and
 * asks for the user if the client doesn't know it yet. It renders again when the user logs in or
 * out, or has changed, here or in another tab.
 */
export function AuthProvider({ client, children }: { client: Client; children?: ReactNode }): ReactElement {
  const [resumed, setResumed] = useState<Client>()
  const user = useSyncExternalStore(
    client.onAuthChange,
    () => client.user,
    () => null,
  )
  const isIn = useSyncExternalStore(client.onAuthChange, client.isAuthenticated, () => false)

  useEffect(
    () =>
      whileMounted(async (isMounted) => {
        await client.resume()
        if (isMounted()) setResumed(client)
      }),
    [client],
  )
  useEffect(
    () =>
      whileMounted(async (isMounted) => {
        while (isIn && !user && isMounted()) {
          const result = await client.me()
          // The server refuses this user. Asking again would change nothing.
          if (result.ok || ('status' in result.error && result.error.status < 429)) return
          await new Promise((resolve) => setTimeout(resolve, retryAfter))
        }
      }),
    [client, isIn, user],
  )

  const status = isIn ? 'signed_in' : resumed === client ? 'signed_out' : 'loading'
  const auth = useMemo(() => ({ client, user, status }) satisfies Auth, [client, user, status])
  return createElement(AuthContext.Provider, { value: auth }, children)
}

/** Works from the mount of a component on. In StrictMode, which mounts everything twice, it works once. */
function whileMounted(work: (isMounted: () => boolean) => Promise<void>): () => void {
  let isMounted = true
  queueMicrotask(() => {
    if (isMounted) void work(() => isMounted)
  })
  return () => {
    isMounted = false
  }
}

/**
 * Returns the client, the user, and whether somebody is logged in.
 *
 * @throws Error outside of an `AuthProvider`.
 */
export function useAuth(): Auth {
  const auth = useContext(AuthContext)
  if (!auth) throw new Error('useAuth needs an <AuthProvider> above it')
  return auth
}

/** Returns the user, or null where nobody is logged in or the user isn't known yet. */
export function useUser(): User | null {
  return useAuth().user
}
