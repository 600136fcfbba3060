import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    // Each file has a server, a database and a browser: one of each at a time.
    fileParallelism: false,
    // In ms, on a slow machine. A first start of the browser may unpack it.
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
