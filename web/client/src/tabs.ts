/** What the tabs of an origin tell each other by. */
export interface Channel {
  postMessage(text: string | null): void
  close(): void
}

/** Joins those of that name; undefined where there are none, or the page may not speak to others. */
export function openChannel(name: string, hear: (text: unknown) => void): Channel | undefined {
  try {
    const channel: BroadcastChannel & { unref?: () => void } = new BroadcastChannel(name)
    channel.onmessage = (message) => {
      hear(message.data)
    }
    // Node would wait for messages before it ends.
    channel.unref?.()
    return channel
  } catch {
    return undefined
  }
}
