import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: 'setup.ts',
    include: ['*.test.ts'],
    // Builds use all processors themselves.
    maxWorkers: 2,
    maxConcurrency: 2,
    // In ms, on a slow machine: a framework's build, and the first start of a server.
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
})
