import type { Reporter, TestModule } from 'vitest/node'

/**
 * Ends a run with what the relays of failed tests had to say, because of a long output often only the end is kept, and with
 * one plain line that a person and a script can both read: `868 passed, 0 failed`.
 */
export class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 }
    for (const module of modules) {
      let tests = 0
      for (const test of module.children.allTests()) {
        tests++
        const { state } = test.result()
        if (state !== 'pending') counts[state]++
        for (const log of test.meta().relayLogs ?? []) process.stdout.write(`\n${log}\n`)
      }
      // A file that could not even be loaded has no tests, and must not pass for that.
      if (tests === 0 && module.state() === 'failed') counts.failed++
    }
    const skipped = counts.skipped === 0 ? '' : `, ${counts.skipped} skipped`
    process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed${skipped}\n`)
  }
}
