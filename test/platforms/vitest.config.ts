import { defineConfig } from 'vitest/config'
import { ClosingLineReporter } from '../support/closing-line-reporter.ts'
import { PATIENCE_MS } from '../support/patience.ts'

/** Real platforms that feed the relay. Not a part of `npm test`: they are 500 MB to fetch, and one waits for sessions to expire. */
export default defineConfig({
  test: {
    name: 'platforms',
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/platforms/**/*.test.ts'],
    globalSetup: ['test/stack/vitest-global.ts'],
    setupFiles: ['test/support/print-relay-logs.ts'],
    isolate: false,
    maxWorkers: 2,
    expect: { poll: { timeout: PATIENCE_MS } },
    testTimeout: 600_000,
    hookTimeout: 900_000,
    reporters: ['verbose', new ClosingLineReporter()],
  },
})
