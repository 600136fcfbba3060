import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Each file has a server, a database and a browser, and waits for them most of its time.
    maxWorkers: 2,
    // In ms, on a slow machine. A first start of the browser may unpack it.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 15_000 } },
  },
})
