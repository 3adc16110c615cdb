import { Standing } from './standing.ts'

/** What one replica knows of one host: hundreds of RPs may stand behind it, and hang with it. */
export interface Origin {
  readonly name: string
  /** Attempts under way, of all its RPs, probes included; those of them that gave their place back; and the probes. */
  inFlight: number
  lingering: number
  probes: number
  /** Places that probes of its RPs hold. */
  probePlaces: number
  /** The look after which the last attempt ended by itself. */
  endedAtLook: number
  readonly standing: Standing
}

const IDLE_ENTRIES_MAX = 10_000

/** The origins that attempts were made at; those without any are forgotten when there are too many. */
export class Origins {
  readonly #entries = new Map<string, Origin>()
  readonly #unansweredMax: number

  /** `unansweredMax`: attempts without an answer after which nothing behind the origin is thought to answer. */
  constructor(unansweredMax: number) {
    this.#unansweredMax = unansweredMax
  }

  get(name: string): Origin {
    let origin = this.#entries.get(name)
    if (origin === undefined) {
      if (this.#entries.size >= IDLE_ENTRIES_MAX) this.#forgetIdle()
      origin = {
        name,
        inFlight: 0,
        lingering: 0,
        probes: 0,
        probePlaces: 0,
        endedAtLook: 0,
        standing: new Standing(this.#unansweredMax),
      }
      this.#entries.set(name, origin)
    }
    return origin
  }

  [Symbol.iterator](): Iterator<Origin> {
    return this.#entries.values()
  }

  #forgetIdle(): void {
    for (const [name, { inFlight }] of this.#entries) if (inFlight === 0) this.#entries.delete(name)
  }
}
