import type { Backlog } from '../delivery/backlog.ts'
import type { Clock } from '../lib/clock.ts'
import { settledWithin } from '../lib/deferred.ts'

export type BacklogSize = Awaited<ReturnType<Backlog['sizes']>>[number]

/** A page that waits for Redis shows nothing when it is needed most. */
const READ_MS_MAX = 1_000
const RPS_MAX = 500

/** What was last known of the backlogs' sizes. */
export class BacklogView {
  readonly #backlog: Pick<Backlog, 'sizes'>
  readonly #clock: Clock
  #reading: Promise<void> | undefined
  /** At most 500 RPs, those that are due first. */
  sizes: readonly BacklogSize[] = []
  /** When `sizes` was true, milliseconds since the epoch; `undefined` before the first answer. */
  readAtMs: number | undefined
  /** The last look failed, or has not ended yet: `sizes` is what was seen before. */
  isOld = false

  constructor(backlog: Pick<Backlog, 'sizes'>, clock: Clock) {
    this.#backlog = backlog
    this.#clock = clock
  }

  /** There may be more RPs with a backlog than were looked at. */
  get isCut(): boolean {
    return this.sizes.length >= RPS_MAX
  }

  /** Looks, for a second at most. Never throws. A look that has not ended is not doubled by another. */
  async refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    if (!(await settledWithin(this.#reading, READ_MS_MAX))) this.isOld = true
  }

  async #read(): Promise<void> {
    try {
      const askedAtMs = this.#clock.now()
      this.sizes = await this.#backlog.sizes(RPS_MAX)
      this.readAtMs = askedAtMs
      this.isOld = false
    } catch {
      // The relay itself meets the same fault, and that one is told.
      this.isOld = true
    }
  }
}
