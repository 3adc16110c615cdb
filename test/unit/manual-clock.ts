import type { Clock } from '../../src/lib/clock.ts'

export interface ManualClock extends Clock {
  nowMs: number
  /** What `random` gives next. */
  chance: number
}

/** A clock that stands still until a test moves it. */
export function manualClock(nowMs = 1_800_000_000_000): ManualClock {
  const clock: ManualClock = {
    nowMs,
    chance: 0.5,
    now: () => clock.nowMs,
    random: () => clock.chance,
  }
  return clock
}
