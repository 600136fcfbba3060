import { defineConfig } from 'vitest/config'

export default defineConfig({
  // In ms: the first compilation of a client in Go takes minutes on a slow machine.
  test: { testTimeout: 600_000, hookTimeout: 120_000 },
})
