/** The source of time and randomness; tests replace it. */
export interface Clock {
  /** Wall clock, in milliseconds since the epoch. It may be set back by hours. */
  now(): number
  /** Milliseconds since an arbitrary moment; never goes back. Use it for durations and timeouts. */
  monotonic(): number
  /** A number in [0, 1). */
  random(): number
}

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  random: Math.random,
}
