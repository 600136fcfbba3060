import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: 'test/server.ts',
    // A server makes a database cluster at its first start, and npm asks its registry, on a slow machine.
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
})
