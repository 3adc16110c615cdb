import type { Clock } from '../lib/clock.ts'

export interface BreakerPolicy {
  /** Retryable failures in a row that open the breaker. */
  readonly failures: number
  /** The first time that nothing is sent; doubled each time that the probe after it fails. Milliseconds. */
  readonly cooldownMs: number
  readonly cooldownMaxMs: number
}

/** Also open: an RP that fails every other time, which never fails often in a row. */
const RECENT_ATTEMPTS = 20
const RECENT_FAILURES_MAX = 10
const RECENT_MASK = 2 ** RECENT_ATTEMPTS - 1
/** Successes after which an RP has recovered: its next failures start with the first cool-down again. */
const RAMP_END = 32
/** Replicas that opened together should not probe together. */
const JITTER = 0.2

/**
 * Stops sending to an RP that does not answer, and finds out when it does again: after a cool-down one attempt probes
 * it. Its success closes the breaker, and the attempts that may be under way then grow with each further success, so
 * that an RP which has just come back is not met by all that waited for it.
 *
 * Every replica learns by itself; what they share is the backlog.
 */
export class Breaker {
  readonly #policy: BreakerPolicy
  readonly #clock: Clock
  #failuresInARow = 0
  /** A bit per attempt, the latest lowest: 1 for a failure. */
  #recent = 0
  #cooldownMs = 0
  /** Set while it is open; on the monotonic clock. */
  #open: { readonly since: number; until: number } | undefined
  #ramp = Number.POSITIVE_INFINITY
  /** How long the RP has asked to be left alone, also by failures from before it opened. On the monotonic clock. */
  #askedUntil = Number.NEGATIVE_INFINITY

  constructor(policy: BreakerPolicy, clock: Clock) {
    this.#policy = policy
    this.#clock = clock
  }

  get isClosed(): boolean {
    return this.#open === undefined
  }

  /** The end of the cool-down, milliseconds since the epoch; 0 when it is closed. */
  get openUntilMs(): number {
    return this.#wallTimeOf(this.#open?.until)
  }

  /** When it opened, whatever probes have failed since; 0 when it is closed. Milliseconds since the epoch. */
  get openSinceMs(): number {
    return this.#wallTimeOf(this.#open?.since)
  }

  /** How long ago its cool-down ended; negative while it cools down. Milliseconds. */
  get cooledDownForMs(): number {
    return this.#open === undefined ? 0 : this.#clock.monotonic() - this.#open.until
  }

  /** How many attempts may be under way now: none while it cools down, then one, then more with each success. */
  get attemptsMax(): number {
    if (this.isClosed) return this.#ramp
    return this.cooledDownForMs < 0 ? 0 : 1
  }

  /** The RP answered, whatever it answered. True when that closed the breaker. */
  succeeded(): boolean {
    this.#failuresInARow = 0
    this.#askedUntil = Number.NEGATIVE_INFINITY
    this.#recent = (this.#recent << 1) & RECENT_MASK
    if (!this.isClosed) {
      this.#open = undefined
      this.#recent = 0
      this.#ramp = 2
      return true
    }
    if (this.#ramp !== Number.POSITIVE_INFINITY && ++this.#ramp > RAMP_END) {
      this.#ramp = Number.POSITIVE_INFINITY
      this.#cooldownMs = 0
    }
    return false
  }

  /**
   * An attempt failed in a way that may pass. `isProbe` is false for one that began before the breaker opened, which
   * says nothing new; `tookMs` is how long it took, for the cool-down goes from probe to probe, and an RP that hangs must
   * not make it longer; `askedMs` is how long the RP wants to be left alone. True when that opened the breaker, or opened
   * it for longer after a probe.
   */
  failed({ isProbe = true, tookMs = 0, askedMs = 0 } = {}): boolean {
    this.#failuresInARow++
    this.#recent = ((this.#recent << 1) | 1) & RECENT_MASK
    const now = this.#clock.monotonic()
    if (askedMs > 0) this.#askedUntil = Math.max(this.#askedUntil, now + askedMs)
    const open = this.#open
    if (open !== undefined && !(isProbe && now >= open.until)) {
      open.until = Math.max(open.until, this.#askedUntil)
      return false
    }
    if (open === undefined && !this.#isTooMuch()) return false
    const { cooldownMs, cooldownMaxMs } = this.#policy
    this.#cooldownMs = Math.min(this.#cooldownMs === 0 ? cooldownMs : 2 * this.#cooldownMs, cooldownMaxMs)
    const silentMs = Math.ceil(this.#cooldownMs * (1 - JITTER * this.#clock.random()))
    const leftMs = open === undefined ? silentMs : silentMs - tookMs
    this.#open = { since: open?.since ?? now, until: Math.max(now + Math.max(leftMs, 0), this.#askedUntil) }
    return true
  }

  #wallTimeOf(time: number | undefined): number {
    return time === undefined ? 0 : Math.ceil(this.#clock.now() + time - this.#clock.monotonic())
  }

  #isTooMuch(): boolean {
    return this.#failuresInARow >= this.#policy.failures || bitsOf(this.#recent) >= RECENT_FAILURES_MAX
  }
}

function bitsOf(bits: number): number {
  let count = 0
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++
  return count
}
