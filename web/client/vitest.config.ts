import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: 'test/server.ts',
    // Most of its time a file waits for a clock: a token's end, or a patience.
    maxWorkers: 4,
    // A server makes a database cluster at its first start, and npm asks its registry, on a slow
    // machine.
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
})
