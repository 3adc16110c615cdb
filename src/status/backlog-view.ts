import type { Backlog } from '../delivery/backlog.ts'
import type { Clock } from '../lib/clock.ts'
import { settledWithin } from '../lib/deferred.ts'

export interface BacklogSize {
  /** `<issuer>|<clientId>` */
  readonly rpKey: string
  readonly size: number
  readonly nextDueMs: number
  /** The earliest deadline seen, of the RPs that it was looked for. Milliseconds since the epoch. */
  readonly deadlineMs?: number
}

/** A page that waits for Redis shows nothing when it is needed most. */
const READ_MS_MAX = 1_000
const RPS_MAX = 500
/** Of them, those whose earliest deadline is looked for: each costs Redis the reading of a hundred members. */
const TIMED_MAX = 100

/** What was last known of the backlogs' sizes. */
export class BacklogView {
  readonly #backlog: Pick<Backlog, 'sizes' | 'earliestDeadlines'>
  readonly #clock: Clock
  readonly #isTroubled: (rpKey: string) => boolean
  #reading: Promise<void> | undefined
  /** At most 500 RPs, those that are due first. */
  sizes: readonly BacklogSize[] = []
  /** When `sizes` was true, milliseconds since the epoch; `undefined` before the first answer. */
  readAtMs: number | undefined
  /** The last look failed, or has not ended yet: `sizes` is what was seen before. */
  isOld = false

  /** `isTroubled`: RPs whose deadlines are looked for first; then come those with the largest backlogs. */
  constructor(
    backlog: Pick<Backlog, 'sizes' | 'earliestDeadlines'>,
    clock: Clock,
    isTroubled: (rpKey: string) => boolean = () => false,
  ) {
    this.#backlog = backlog
    this.#clock = clock
    this.#isTroubled = isTroubled
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
      this.sizes = await this.#timed(await this.#backlog.sizes(RPS_MAX))
      this.readAtMs = askedAtMs
      this.isOld = false
    } catch {
      // The relay itself meets the same fault, and that one is told.
      this.isOld = true
    }
  }

  async #timed(sizes: Awaited<ReturnType<Backlog['sizes']>>): Promise<readonly BacklogSize[]> {
    const rank = ({ rpKey, size }: BacklogSize) => (this.#isTroubled(rpKey) ? Infinity : size)
    const timed = sizes
      .filter(({ size }) => size > 0)
      .sort((a, b) => Number(rank(b) > rank(a)) - Number(rank(a) > rank(b)))
      .slice(0, TIMED_MAX)
      .map(({ rpKey }) => rpKey)
    const deadlines = timed.length === 0 ? [] : await this.#backlog.earliestDeadlines(timed)
    const byRp = new Map(timed.map((rpKey, i) => [rpKey, deadlines[i]]))
    return sizes.map((it) => {
      const deadlineMs = byRp.get(it.rpKey)
      return deadlineMs === undefined ? it : { ...it, deadlineMs }
    })
  }
}
