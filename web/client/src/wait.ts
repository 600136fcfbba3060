import { AuthError, type ClientError } from './errors.ts'

/** The longest time that a timer can wait, in milliseconds: a longer one fires at once. */
export const longestWait = 2 ** 31 - 1

export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/**
 * Works until it is done, the time is over or the caller's signal aborts it. The last two reject
 * with an {@link AuthError}, even if the work ignores the signal that it gets. If `isLeft`,
 * something remains to do with the result, such as to read a body. The caller's signal ends that
 * too, and the time doesn't.
 */
export async function bounded<T>(
  ms: number,
  signal: AbortSignal | null | undefined,
  work: (signal: AbortSignal) => Promise<T>,
  isLeft = false,
): Promise<T> {
  const giveUp = new AbortController()
  let end: (error: ClientError) => void = () => undefined
  const ended = new Promise<never>((_, reject) => {
    end = (error) => {
      reject(new AuthError(error))
      giveUp.abort()
    }
  })
  const onAbort = () => {
    end({ code: 'aborted', cause: signal?.reason })
  }
  const timer = setTimeout(end, Math.min(ms, longestWait), { code: 'timeout' })
  signal?.addEventListener('abort', onAbort)
  if (signal?.aborted) onAbort()
  try {
    return await Promise.race([ended, signal?.aborted ? ended : work(giveUp.signal)])
  } catch (cause) {
    isLeft = false
    throw cause
  } finally {
    clearTimeout(timer)
    if (!isLeft) signal?.removeEventListener('abort', onAbort)
  }
}
