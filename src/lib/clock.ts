/** Where time and chance come in, so that a test can hold both. */
export interface Clock {
  /** Milliseconds since the epoch, as the wall clock has it: it may be set back by hours. */
  now(): number
  /** Milliseconds since some moment; never goes back. For everything that lasts, and that nobody else has to know. */
  monotonic(): number
  /** A number in [0, 1). */
  random(): number
}

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  random: Math.random,
}
