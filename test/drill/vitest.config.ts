import { defineConfig } from 'vitest/config'
import { ClosingLineReporter } from '../support/closing-line-reporter.ts'

/** The runbook, tried. Not a part of `npm test`: most of its time is spent waiting for alerts. */
export default defineConfig({
  test: {
    name: 'drill',
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/drill/*.test.ts'],
    globalSetup: ['test/stack/vitest-global.ts'],
    setupFiles: ['test/support/print-relay-logs.ts'],
    isolate: false,
    maxWorkers: 2,
    testTimeout: 180_000,
    hookTimeout: 60_000,
    reporters: ['verbose', new ClosingLineReporter()],
  },
})
