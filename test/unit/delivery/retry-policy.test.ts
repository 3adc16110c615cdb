import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../src/config/config.ts'
import {
  type RetryContext,
  type RetryPolicyOptions,
  retryAfterMs,
  retryPolicy,
} from '../../../src/delivery/retry-policy.ts'
import { manualClock } from '../manual-clock.ts'

const NOW = Date.UTC(2030, 0, 15, 12, 0, 0)

const defaults: RetryPolicyOptions = {
  baseDelayMs: 1_000,
  maxDelayMs: 300_000,
  maxAttempts: 50,
  deadlineMs: 3_600_000,
  doubtfulDelaysMs: [31_000, 120_000, 660_000],
  retryAfterMaxMs: 600_000,
}

const context: RetryContext = {
  verdict: 'retry',
  attempts: 1,
  doubtful: 0,
  deadlineMs: NOW + 3_600_000,
  timeMs: 3_600_000,
}

function decide(overrides: Partial<RetryContext>, options: Partial<RetryPolicyOptions> = {}, chance = 0.5) {
  const clock = manualClock(NOW)
  clock.chance = chance
  return retryPolicy({ ...defaults, ...options }, clock)({ ...context, ...overrides })
}

const chances = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

describe('at an RP whose breaker is open', () => {
  const openUntilMs = NOW + 8_000

  test('a delivery is due at the end of the cool-down, whatever its own delay', () => {
    expect(decide({ attempts: 20, openUntilMs })).toEqual({ kind: 'retry', dueMs: openUntilMs })
    expect(decide({ attempts: 1, openUntilMs })).toEqual({ kind: 'retry', dueMs: openUntilMs })
  })

  test('attempts are reckoned from when the delivery was taken up, whatever time its issuer gives it', () => {
    const at = (timeMs: number) =>
      decide({ attempts: 50, openUntilMs, timeMs, deadlineMs: NOW + timeMs }, { deadlineMs: 86_400_000 }).kind
    expect([60_000, 3_600_000, 86_400_000].map(at)).toEqual(['retry', 'retry', 'retry'])
  })

  test('attempts are spent when their own delays would have spent them as well', () => {
    // Half of 1, 2, 4 and 8 seconds, between five attempts.
    const spentAfterMs = 7_500
    const after = (ms: number) =>
      decide({ attempts: 5, openUntilMs, deadlineMs: NOW - ms + defaults.deadlineMs }, { maxAttempts: 5 })
    expect(after(spentAfterMs - 1)).toMatchObject({ kind: 'retry' })
    expect(after(spentAfterMs)).toEqual({ kind: 'give-up', reason: 'exhausted' })
  })
})

describe('with the limits that nobody has set', () => {
  const { retry, breaker } = readConfig({
    ...{ KAFKA_BROKERS: 'kafka:9092', REDIS_URL: 'redis://redis', ISSUER: 'https://issuer.example' },
    SIGNING_KEYS_FILE: import.meta.filename,
  }).delivery
  const { deadlineMs } = retry

  /** Without the extremes that fast-check prefers: they would all be drawn together. */
  const evenChances = fc.noBias(fc.integer({ min: 0, max: 999 })).map((n) => n / 1_000)

  /** Fails until the policy gives up. Returns why, after how long, and after how many attempts. */
  function failing(verdict: 'retry' | 'blocked', random: () => number, cooldownMs = 0) {
    const clock = Object.assign(manualClock(NOW), { random })
    const policy = retryPolicy(retry, clock)
    for (let attempts = 1; ; attempts++) {
      const openUntilMs = cooldownMs > 0 ? clock.nowMs + cooldownMs : 0
      const state = { attempts, doubtful: attempts, deadlineMs: NOW + deadlineMs, timeMs: deadlineMs }
      const decision = policy({ verdict, ...state, openUntilMs })
      if (decision.kind === 'give-up') return { reason: decision.reason, attempts, tookMs: clock.nowMs - NOW }
      clock.nowMs = decision.dueMs
    }
  }

  test.each([
    ['retry', 0, 'expired'],
    ['retry', breaker.cooldownMaxMs, 'expired'],
    ['blocked', 0, 'blocked'],
  ] as const)(
    'what only fails (%s, cool-down %i ms) ends by its deadline, not by its attempts',
    (verdict, cooldownMs, reason) => {
      fc.assert(
        fc.property(fc.infiniteStream(evenChances), (stream) => {
          const end = failing(verdict, () => stream.next().value, cooldownMs)
          expect(end.reason).toBe(reason)
          // The next attempt would have come after the deadline.
          expect(end.tookMs).toBeGreaterThan(deadlineMs - Math.max(retry.maxDelayMs, 660_000))
        }),
        { numRuns: 20 },
      )
    },
  )
})

describe('an issuer with retries of its own', () => {
  const own = { baseDelayMs: 100, maxDelayMs: 150, maxAttempts: 4, doubtfulDelaysMs: [5_000] }

  test('has its delays, attempts and doubtful delays, and of what it leaves out those of all', () => {
    const due = (more: Partial<RetryContext>) => decide(more, {}, 0.999_999)
    expect(due({ own })).toEqual({ kind: 'retry', dueMs: NOW + 99 })
    expect(due({ own, attempts: 3 })).toEqual({ kind: 'retry', dueMs: NOW + 149 })
    expect(due({ own, attempts: 4 })).toEqual({ kind: 'give-up', reason: 'exhausted' })
    expect(due({ own: {}, attempts: 4 })).toEqual(due({ attempts: 4 }))
    const doubtful = (count: number) => due({ own, verdict: 'doubtful', doubtful: count })
    expect(doubtful(1)).toEqual({ kind: 'retry', dueMs: NOW + 5_000 })
    expect(doubtful(2)).toEqual({ kind: 'give-up', reason: 'rejected' })
    expect(due({ own: { doubtfulDelaysMs: [] }, verdict: 'doubtful', doubtful: 1 }).kind).toBe('give-up')
  })

  test('has its attempts spent behind an open breaker when its own delays would have spent them', () => {
    // Half of 100, 150 and 150 ms between four attempts.
    const after = (ms: number) =>
      decide({ own, attempts: 4, openUntilMs: NOW + 8_000, deadlineMs: NOW - ms + defaults.deadlineMs }).kind
    expect([after(199), after(200)]).toEqual(['retry', 'give-up'])
  })
})

describe('an excused answer', () => {
  const DAY_MS = 86_400_000
  const excused = (sinceMs: number, options: Partial<RetryPolicyOptions> = {}) =>
    decide({ verdict: 'excused', attempts: 60, timeMs: DAY_MS, deadlineMs: NOW + DAY_MS - sinceMs }, options)

  test('is spaced as doubtful ones are, by the time since the delivery was taken up, and uses up no attempts', () => {
    const spaced = [
      [0, 31_000],
      [30_999, 31_000],
      [31_000, 120_000],
      [151_000, 660_000],
      [3_600_000, 660_000],
    ] as const
    for (const [sinceMs, ms] of spaced) expect(excused(sinceMs)).toEqual({ kind: 'retry', dueMs: NOW + ms })
    expect(excused(0, { doubtfulDelaysMs: [] })).toEqual({ kind: 'retry', dueMs: NOW + 150_000 })
  })

  test('ends with the deadline', () => {
    expect(excused(DAY_MS - 30_000)).toEqual({ kind: 'give-up', reason: 'expired' })
  })
})

describe('what the egress guard refused', () => {
  const blocked = (attempts: number, more: Partial<RetryContext> = {}) =>
    decide({ verdict: 'blocked', attempts, doubtful: attempts, deadlineMs: Number.MAX_SAFE_INTEGER, ...more })

  test('is looked at again after each of the doubtful delays, then after the last again and again', () => {
    const delays = [1, 2, 3, 4, 49].map((attempts) => blocked(attempts))
    expect(delays).toEqual(
      [31_000, 120_000, 660_000, 660_000, 660_000].map((ms) => ({ kind: 'retry', dueMs: NOW + ms })),
    )
  })

  test('is looked at again after the first of them where other failures came before, and not given up at once', () => {
    expect(blocked(9, { doubtful: 1, deadlineMs: NOW + 600_000 })).toEqual({
      kind: 'retry',
      dueMs: NOW + 31_000,
    })
  })

  test('ends as blocked, by its deadline, by its attempts, and at once where there are no doubtful delays', () => {
    const end = { kind: 'give-up', reason: 'blocked' }
    expect(blocked(1, { deadlineMs: NOW + 31_000 })).toEqual(end)
    expect(blocked(50)).toEqual(end)
    expect(decide({ verdict: 'blocked', doubtful: 1 }, { doubtfulDelaysMs: [] })).toEqual(end)
  })
})

describe('retry policy', () => {
  test('waits between nothing and the doubled, bounded delay', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 49 }),
        fc.integer({ min: 1, max: 10_000 }),
        fc.integer({ min: 1, max: 86_400_000 }),
        chances,
        (attempts, baseDelayMs, maxDelayMs, chance) => {
          const decision = decide(
            { attempts, deadlineMs: Number.MAX_SAFE_INTEGER },
            { baseDelayMs, maxDelayMs },
            chance,
          )
          let ceiling = baseDelayMs
          for (let n = 1; n < attempts && ceiling < maxDelayMs; n++) ceiling *= 2
          const delay = decision.kind === 'retry' ? decision.dueMs - NOW : Number.NaN
          expect(delay).toBeGreaterThanOrEqual(0)
          expect(delay).toBeLessThanOrEqual(Math.min(ceiling, maxDelayMs))
          expect(Number.isInteger(delay)).toBe(true)
        },
      ),
    )
  })

  test('uses the whole range of the jitter', () => {
    expect(decide({ attempts: 4 }, {}, 0)).toEqual({ kind: 'retry', dueMs: NOW })
    expect(decide({ attempts: 4 }, {}, 0.5)).toEqual({ kind: 'retry', dueMs: NOW + 4_000 })
    expect(decide({ attempts: 4 }, {}, 0.9999999)).toEqual({ kind: 'retry', dueMs: NOW + 7_999 })
  })

  test('gives up as exhausted exactly when the attempts are spent, whatever the RP asks for', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 200 }),
        fc.constantFrom('retry' as const, 'doubtful' as const),
        fc.option(fc.nat().map(String), { nil: undefined }),
        (attempts, maxAttempts, verdict, retryAfter) => {
          const spent = { kind: 'give-up', reason: 'exhausted' }
          const decision = decide({ attempts, verdict, doubtful: 1, retryAfter }, { maxAttempts })
          if (attempts >= maxAttempts) expect(decision).toEqual(spent)
          else expect(decision).not.toEqual(spent)
        },
      ),
    )
  })

  test('never plans an attempt at or after the deadline', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -10_000, max: 700_000 }),
        fc.integer({ min: 1, max: 40 }),
        fc.option(fc.nat(1_000).map(String), { nil: undefined }),
        chances,
        (left, attempts, retryAfter, chance) => {
          const deadlineMs = NOW + left
          const decision = decide({ attempts, deadlineMs, retryAfter }, {}, chance)
          if (decision.kind === 'retry') expect(decision.dueMs).toBeLessThan(deadlineMs)
          else expect(decision.reason).toBe('expired')
        },
      ),
    )
  })

  test('the deadline itself is too late', () => {
    expect(decide({ attempts: 4, deadlineMs: NOW + 4_001 })).toEqual({ kind: 'retry', dueMs: NOW + 4_000 })
    expect(decide({ attempts: 4, deadlineMs: NOW + 4_000 })).toEqual({ kind: 'give-up', reason: 'expired' })
  })

  test('doubtful answers are spaced by their own delays, then count as a rejection', () => {
    const due = (doubtful: number) => decide({ verdict: 'doubtful', attempts: 9, doubtful })
    expect(due(1)).toEqual({ kind: 'retry', dueMs: NOW + 31_000 })
    expect(due(2)).toEqual({ kind: 'retry', dueMs: NOW + 120_000 })
    expect(due(3)).toEqual({ kind: 'retry', dueMs: NOW + 660_000 })
    expect(due(4)).toEqual({ kind: 'give-up', reason: 'rejected' })
    expect(decide({ verdict: 'doubtful', doubtful: 1 }, { doubtfulDelaysMs: [] })).toEqual({
      kind: 'give-up',
      reason: 'rejected',
    })
  })
})

describe('Retry-After', () => {
  test('is a lower bound, cut to the maximum', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), chances, (seconds, chance) => {
        const decision = decide({ retryAfter: String(seconds) }, {}, chance)
        const delay = decision.kind === 'retry' ? decision.dueMs - NOW : Number.NaN
        expect(delay).toBeGreaterThanOrEqual(Math.min(Number(seconds) * 1_000, defaults.retryAfterMaxMs))
        expect(delay).toBeLessThanOrEqual(defaults.retryAfterMaxMs)
      }),
    )
  })

  test('does not shorten a doubtful delay, but may lengthen it', () => {
    const doubtful = (retryAfter: string) => decide({ verdict: 'doubtful', doubtful: 1, retryAfter })
    expect(doubtful('1')).toEqual({ kind: 'retry', dueMs: NOW + 31_000 })
    expect(doubtful('60')).toEqual({ kind: 'retry', dueMs: NOW + 60_000 })
  })

  test.each([
    ['0', 0],
    ['120', 120_000],
    [' 120 ', 120_000],
    ['Tue, 15 Jan 2030 12:02:00 GMT', 120_000],
    ['Tuesday, 15-Jan-30 12:02:00 GMT', 120_000],
    ['Tue, 15 Jan 2030 11:00:00 GMT', 0],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['', 0],
    ['soon', 0],
    ['-5', 0],
    ['1.5', 0],
    ['NaN', 0],
    ['Infinity', 0],
  ])('%j asks for %i ms', (header, ms) => {
    expect(retryAfterMs(header, NOW)).toBe(ms)
  })

  test('a number that no double holds is cut like any other', () => {
    expect(decide({ retryAfter: '9'.repeat(400) })).toEqual({
      kind: 'retry',
      dueMs: NOW + defaults.retryAfterMaxMs,
    })
  })

  test('whatever an RP writes, the delay is a number between nothing and the maximum', () => {
    fc.assert(
      fc.property(fc.string(), (retryAfter) => {
        const decision = decide({ retryAfter }, {}, 0)
        const delay = decision.kind === 'retry' ? decision.dueMs - NOW : Number.NaN
        expect(delay).toBeGreaterThanOrEqual(0)
        expect(delay).toBeLessThanOrEqual(defaults.retryAfterMaxMs)
      }),
    )
  })
})
