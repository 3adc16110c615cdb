import type { Clock } from '../../src/lib/clock.ts'

export interface ManualClock extends Clock {
  nowMs: number
  /** What `random` gives next. */
  chance: number
  /** Sets the wall clock back, as an operator or NTP does; no time passes. */
  stepBack(ms: number): void
}

/** A clock that stands still until a test moves it. */
export function manualClock(nowMs = 1_800_000_000_000): ManualClock {
  let steppedBackMs = 0
  const clock: ManualClock = {
    nowMs,
    chance: 0.5,
    now: () => clock.nowMs,
    monotonic: () => clock.nowMs + steppedBackMs - nowMs,
    random: () => clock.chance,
    stepBack: (ms) => {
      clock.nowMs -= ms
      steppedBackMs += ms
    },
  }
  return clock
}
