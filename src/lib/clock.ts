/** The source of time and randomness; tests replace it. */
export interface Clock {
  /** Wall clock, in milliseconds since the epoch. It may be set back by hours. */
  now(): number
  /** Milliseconds since an arbitrary moment; never goes back. Use it for durations and timeouts. */
  monotonic(): number
  /** A number in [0, 1). */
  random(): number
}

/** How much later it is than the clock of this machine says. Milliseconds. */
let behindMs = 0

/** From now on the system clock of this process shows the time of somebody else's clock. Milliseconds since the epoch. */
export function setSystemClock(nowMs: number): void {
  behindMs = nowMs - Date.now()
}

export const systemClock: Clock = {
  now: () => Date.now() + behindMs,
  monotonic: () => performance.now(),
  random: Math.random,
}
