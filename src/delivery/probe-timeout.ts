/** Long enough for an RP that is well, short enough to find out soon that another one hangs. */
const TIMEOUT_MS_MIN = 1_500
/** An RP that has been slow lately may be as slow again, and twice as slow after a restart. */
const SLACK_FACTOR = 2
/** One that was cut off may only have needed more: so much more has the next. */
const GROWTH = 2
/** An RP that is slower than it ever was has a chance as well: every so many probes that hang. */
const FULL_EVERY = 4
/** Of what was slowest before, per answer: after some twenty answers it hardly counts. */
const KEPT = 0.95

/** How long one RP may take to answer a probe. It has most likely hung before, and others wait to be probed. */
export class ProbeTimeout {
  #slowestMs = 0
  #hungInARow = 0
  #hasFailed = false

  /** The RP has taken a token, or refused it for good. */
  answered(ms: number): void {
    this.#slowestMs = Math.max(ms, this.#slowestMs * KEPT)
    this.#hungInARow = 0
    this.#hasFailed = false
  }

  /** It has failed in a way that may pass, and did not hang: how soon does not tell how long it takes when it is well. */
  failed(): void {
    this.#hungInARow = 0
    this.#hasFailed = true
  }

  /** A probe got no answer in time. */
  hung(): void {
    this.#hungInARow++
    this.#hasFailed = false
  }

  /** Its last probe got no answer in time. */
  get hasHung(): boolean {
    return this.#hungInARow > 0
  }

  /** For the next probe; at most `maxMs`, the time-out of every other attempt. Milliseconds. */
  next(maxMs: number): number {
    const cutOff = this.#hungInARow % FULL_EVERY
    if (this.#hasFailed || cutOff === FULL_EVERY - 1) return maxMs
    return Math.min(Math.max(SLACK_FACTOR * this.#slowestMs, TIMEOUT_MS_MIN) * GROWTH ** cutOff, maxMs)
  }
}
