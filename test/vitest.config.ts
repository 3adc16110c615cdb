import { defineConfig } from 'vitest/config'
import { ClosingLineReporter } from './support/closing-line-reporter.ts'
import { PATIENCE_MS } from './support/patience.ts'

const SET_UP_WORKER = 'test/support/set-up-worker.ts'

const onRealStack = {
  isolate: false,
  globalSetup: ['test/stack/vitest-global.ts'],
  setupFiles: [SET_UP_WORKER, 'test/support/print-relay-logs.ts'],
  expect: { poll: { timeout: PATIENCE_MS } },
  // More than one wait that takes all the patience there is; it is the wait that says what did not come.
  testTimeout: 4 * PATIENCE_MS,
  hookTimeout: 2 * PATIENCE_MS,
}

/** `unit` needs nothing but Node; all others but `chaos` share one real Kafka and one real Redis, started once per run. */
export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    // Most tests wait for processes more than they compute.
    maxWorkers: 4,
    reporters: ['default', new ClosingLineReporter()],
    // Modules as vitest has rewritten them are kept in node_modules, by their content.
    experimental: { fsModuleCache: true },
    projects: [
      // Patient: a machine that does other things as well must not fail a property test.
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          setupFiles: [SET_UP_WORKER],
          isolate: false,
          testTimeout: 60_000,
        },
      },
      { test: { name: 'contract', include: ['test/contract/**/*.test.ts'], ...onRealStack } },
      { test: { name: 'integration', include: ['test/integration/**/*.test.ts'], ...onRealStack } },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], ...onRealStack } },
      // It hurts brokers and Redis, so it starts its own. After the others, and no more than two files at once, which
      // mostly wait: it counts what is sent twice, and an RP that a busy machine lets answer too late is told twice.
      {
        test: {
          name: 'chaos',
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          include: ['test/chaos/short/*.test.ts'],
          setupFiles: [SET_UP_WORKER],
          testTimeout: 300_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
