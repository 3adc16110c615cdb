import { describe, expect, test } from 'vitest'
import { Breaker } from '../../../src/delivery/breaker.ts'
import { manualClock } from '../manual-clock.ts'

/** Full cool-downs, because chance is 0. */
function breakerFixture() {
  const clock = manualClock()
  clock.chance = 0
  const breaker = new Breaker({ failures: 3, cooldownMs: 1_000, cooldownMaxMs: 6_000 }, clock)
  return {
    breaker,
    clock,
    fail: (times: number) => Array.from({ length: times }, () => breaker.failed()),
    /** Waits for the cool-down and lets its probe fail; tells the next cool-down. */
    failProbe: () => {
      clock.nowMs = breaker.openUntilMs
      breaker.failed()
      return breaker.openUntilMs - clock.nowMs
    },
  }
}

describe('breaker', () => {
  test('opens after failures in a row, not before, and tells so once', () => {
    const { breaker, fail } = breakerFixture()
    expect(fail(2)).toEqual([false, false])
    breaker.succeeded()
    expect(fail(2)).toEqual([false, false])
    expect(breaker.attemptsMax).toBe(Number.POSITIVE_INFINITY)
    expect(fail(1)).toEqual([true])
    expect(breaker.attemptsMax).toBe(0)
  })

  test('tells since when it is open, through all its probes', () => {
    const { breaker, clock, fail, failProbe } = breakerFixture()
    expect(breaker.openSinceMs).toBe(0)
    const openedAtMs = clock.nowMs
    fail(3)
    failProbe()
    failProbe()
    expect(clock.nowMs).toBeGreaterThan(openedAtMs)
    expect(breaker.openSinceMs).toBe(openedAtMs)
    breaker.succeeded()
    expect(breaker.openSinceMs).toBe(0)
  })

  test('opens for an RP that fails every other time', () => {
    const { breaker } = breakerFixture()
    const opened = Array.from({ length: 20 }, () => {
      breaker.succeeded()
      return breaker.failed()
    })
    expect(opened.indexOf(true)).toBe(9)
  })

  test('stays closed for an RP that fails now and then', () => {
    const { breaker } = breakerFixture()
    for (let round = 0; round < 200; round++) {
      expect(breaker.failed()).toBe(false)
      for (let i = 0; i < 3; i++) breaker.succeeded()
    }
  })

  test('attempts that were under way when it opened make it no longer', () => {
    const { breaker, clock, fail } = breakerFixture()
    fail(3)
    const until = breaker.openUntilMs
    clock.nowMs += 500
    expect(fail(5)).toEqual([false, false, false, false, false])
    expect(breaker.openUntilMs).toBe(until)
  })

  test('lets one attempt through after the cool-down, which grows with each that fails, up to its bound', () => {
    const { breaker, clock, fail, failProbe } = breakerFixture()
    fail(3)
    clock.nowMs += 999
    expect(breaker.attemptsMax).toBe(0)
    clock.nowMs += 1
    expect(breaker.attemptsMax).toBe(1)
    expect([failProbe(), failProbe(), failProbe(), failProbe()]).toEqual([2_000, 4_000, 6_000, 6_000])
  })

  test('keeps to what the RP asked for before it opened, until the RP answers', () => {
    const { breaker, clock, fail, failProbe } = breakerFixture()
    const askedUntil = clock.nowMs + 60_000
    breaker.failed({ askedMs: 60_000 })
    clock.nowMs += 1_000
    expect(fail(2)).toEqual([false, true])
    expect(breaker.openUntilMs).toBe(askedUntil)
    expect(failProbe()).toBe(2_000)
    breaker.failed({ isProbe: false, askedMs: 60_000 })
    breaker.succeeded()
    fail(3)
    expect(breaker.openUntilMs).toBeLessThan(clock.nowMs + 60_000)
  })

  test('a success closes it, and each further one allows one attempt more', () => {
    const { breaker, fail } = breakerFixture()
    fail(3)
    expect(breaker.succeeded()).toBe(true)
    expect(breaker.isClosed).toBe(true)
    const allowed = Array.from({ length: 4 }, () => {
      const { attemptsMax } = breaker
      breaker.succeeded()
      return attemptsMax
    })
    expect(allowed).toEqual([2, 3, 4, 5])
    for (let i = 0; i < 40; i++) breaker.succeeded()
    expect(breaker.attemptsMax).toBe(Number.POSITIVE_INFINITY)
  })

  test('an RP that fails again while it recovers is left alone for longer than before', () => {
    const { breaker, clock, fail, failProbe } = breakerFixture()
    fail(3)
    expect(failProbe()).toBe(2_000)
    breaker.succeeded()
    fail(3)
    expect(breaker.openUntilMs - clock.nowMs).toBe(4_000)
    breaker.succeeded()
    for (let i = 0; i < 40; i++) breaker.succeeded()
    fail(3)
    expect(breaker.openUntilMs - clock.nowMs).toBe(1_000)
  })

  test('replicas that opened it together do not probe together', () => {
    const { breaker, clock, fail } = breakerFixture()
    clock.chance = 1
    fail(3)
    expect(breaker.openUntilMs - clock.nowMs).toBe(800)
  })

  test('the cool-down goes from probe to probe, however long a probe hangs', () => {
    const { breaker, clock, fail } = breakerFixture()
    fail(3)
    clock.nowMs += 1_000 + 1_500
    breaker.failed({ tookMs: 1_500 })
    expect(breaker.openUntilMs - clock.nowMs).toBe(2_000 - 1_500)
    clock.nowMs += 10_000
    breaker.failed({ tookMs: 10_000 })
    expect([breaker.openUntilMs, breaker.attemptsMax]).toEqual([clock.nowMs, 1])
  })

  test('an attempt from before it opened does not make the cool-down longer, unless the RP asks for it', () => {
    const { breaker, clock, fail } = breakerFixture()
    fail(3)
    clock.nowMs += 1_000
    expect(breaker.failed({ isProbe: false })).toBe(false)
    expect(breaker.attemptsMax).toBe(1)
    expect(breaker.failed({ isProbe: false, askedMs: 30_000 })).toBe(false)
    expect(breaker.openUntilMs - clock.nowMs).toBe(30_000)
  })

  test('opens for as long as the RP asks', () => {
    const { breaker, clock, fail } = breakerFixture()
    fail(2)
    expect(breaker.failed({ askedMs: 20_000 })).toBe(true)
    expect(breaker.openUntilMs - clock.nowMs).toBe(20_000)
  })

  test('a wall clock that is set back does not keep it open', () => {
    const { breaker, clock, fail } = breakerFixture()
    fail(3)
    clock.stepBack(3_600_000)
    expect(breaker.openUntilMs - clock.nowMs).toBe(1_000)
    clock.nowMs += 1_000
    expect(breaker.attemptsMax).toBe(1)
  })
})
