/** Where time and chance come in, so that a test can hold both. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
  /** A number in [0, 1). */
  random(): number
}

export const systemClock: Clock = { now: Date.now, random: Math.random }
