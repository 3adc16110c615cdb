/** Long enough for an RP that is well, short enough to find out soon that another one hangs. */
const TIMEOUT_MS_MIN = 1_500
/** An RP that has answered slowly lately may be as slow again, and twice as slow after a restart. */
const SLACK_FACTOR = 2
/** An RP that answers more slowly than it ever did has a chance as well: every so many probes that hang. */
const FULL_EVERY = 4
/** Of what was slowest before, per answer: after some twenty answers it hardly counts. */
const KEPT = 0.95

/** How long one RP may take to answer a probe. It has most likely hung before, and others wait to be probed. */
export class ProbeTimeout {
  #slowestMs = 0
  #hungInARow = 0

  /** The RP has answered. */
  answered(ms: number): void {
    this.#slowestMs = Math.max(ms, this.#slowestMs * KEPT)
    this.#hungInARow = 0
  }

  /** A probe got no answer in time. */
  hung(): void {
    this.#hungInARow++
  }

  /** Its last probe got no answer in time. */
  get hasHung(): boolean {
    return this.#hungInARow > 0
  }

  /** For the next probe; at most `maxMs`, the time-out of every other attempt. Milliseconds. */
  next(maxMs: number): number {
    if (this.#hungInARow % FULL_EVERY === FULL_EVERY - 1) return maxMs
    return Math.min(Math.max(SLACK_FACTOR * this.#slowestMs, TIMEOUT_MS_MIN), maxMs)
  }
}
