/** An attempt that has no answer after so many looks, a quarter of a second, is a slow one, */
export const SLOW_LOOKS = 5
/** or, where this process or this machine is so busy that all of them take long, after so many times what they take, */
const SLOW_FACTOR = 4
/** a second at most. */
const SLOW_LOOKS_MAX = 20
/** Of the latest attempt at an RP that is quick, in what attempts take. */
const USUAL_WEIGHT = 1 / 64
/** Of the latest attempt, in the average. */
const WEIGHT = 1 / 4

/**
 * - `new`: nothing has been seen of it.
 * - `quick`: its attempts end soon, whatever comes of them.
 * - `slow`: it answers, and takes its time.
 * - `hung`: attempts go unanswered.
 */
export type StandingKind = 'new' | 'quick' | 'slow' | 'hung'

/**
 * How long an RP, or an origin, keeps what an attempt takes up. It says nothing of its health: one that refuses each
 * attempt at once holds up nobody.
 *
 * Time is counted in looks of a timer, and not in milliseconds: a process that stands still does not look, and so does
 * not take its own slowness for that of all RPs.
 */
export class Standing {
  readonly #unansweredMax: number
  #latencyLooks = Number.NaN
  #isSlow = false
  #unanswered = 0

  /** `unansweredMax`: it hangs when so many attempts went unanswered since the last answer. */
  constructor(unansweredMax: number) {
    this.#unansweredMax = unansweredMax
  }

  get kind(): StandingKind {
    if (this.#unanswered >= this.#unansweredMax) return 'hung'
    if (this.#isSlow) return 'slow'
    return Number.isNaN(this.#latencyLooks) ? 'new' : 'quick'
  }

  /** An attempt came to an end, after so many looks; more than `slowLooks` are many. */
  ended(looks: number, slowLooks: number): void {
    this.#unanswered = 0
    if (Number.isNaN(this.#latencyLooks)) this.#latencyLooks = looks
    else this.#latencyLooks += (looks - this.#latencyLooks) * WEIGHT
    this.#isSlow = this.#latencyLooks >= slowLooks
  }

  /** An attempt has waited for long, or timed out. */
  unanswered(): void {
    this.#unanswered++
  }
}

/** What counts as slow now. */
export class UsualLatency {
  #looks = 0
  slowLooks = SLOW_LOOKS

  /** An attempt at an RP that is quick has ended in time; one that took longer says nothing of what is usual. */
  ended(looks: number): void {
    this.#looks += (looks - this.#looks) * USUAL_WEIGHT
    this.slowLooks = Math.min(Math.max(Math.ceil(SLOW_FACTOR * this.#looks), SLOW_LOOKS), SLOW_LOOKS_MAX)
  }
}
