import { describe, expect, test } from 'vitest'
import { describeFailure, fuzz } from '../fuzz/fuzz-target.ts'
import { fuzzTargets } from '../fuzz/targets.ts'

// The short form; `npm run fuzz` looks for longer.
const RUNS = 40

describe('whatever others write, a parser gives its result or its fault, in bounded time and of bounded size', () => {
  test.each(fuzzTargets.map((target) => [target.name, target] as const))('%s', async (_, target) => {
    // What is made of the samples says little where they are not what it reads.
    for (const sample of target.samples) {
      const output = await target.parse(sample)
      expect(target.isRead?.(output) ?? true, sample.toString()).toBe(true)
    }
    const details = await fuzz(target, { numRuns: RUNS })
    expect(details.failed ? describeFailure(target, details) : undefined).toBe(undefined)
  })
})

describe('the search itself', () => {
  const sample = Buffer.from('{"sessionId":"s-1","userId":"u-1"}')

  test.each([
    ['throws', () => JSON.parse('{')],
    ['is slow', (input: Buffer) => 'x'.repeat(3_000 * input.length)],
  ])('finds a parser that %s', async (_, parse) => {
    const details = await fuzz({ name: 'bad', samples: [sample], parse }, { numRuns: RUNS })
    expect(details.failed).toBe(true)
    expect(describeFailure({ name: 'bad', samples: [sample], parse }, details)).toContain(
      'npm run fuzz -- --seed',
    )
  })
})
