import type { Clock } from '../lib/clock.ts'
import type { Backlog } from './backlog.ts'
import type { RelyingParty } from './relying-party.ts'

/** What is parked for a paused RP is kept for so long, and again before that is over. */
export const KEPT_MS = 24 * 60 * 60_000
const EVERY_MS = KEPT_MS / 4

/**
 * Keeps the registrations of what is parked for paused RPs, however long a pause lasts: their lives were stretched to deadlines
 * that stand still now. One RP at a time, and nobody waits for it.
 */
export class KeepPaused {
  readonly #backlog: Pick<Backlog, 'keep'>
  readonly #clock: Clock
  #isBusy = false

  constructor(backlog: Pick<Backlog, 'keep'>, clock: Clock) {
    this.#backlog = backlog
    this.#clock = clock
  }

  /** To be called often with RPs that are paused and have something parked. */
  look(paused: readonly RelyingParty[]): void {
    if (this.#isBusy || paused.length === 0) return
    const nowMs = this.#clock.monotonic()
    const rp = paused.find(({ keptAtMs }) => nowMs - keptAtMs >= EVERY_MS)
    if (rp === undefined) return
    this.#isBusy = true
    this.#backlog
      .keep(rp.key, this.#clock.now() + KEPT_MS)
      .then(
        () => {
          rp.keptAtMs = nowMs
        },
        // The store is away, which is told elsewhere; the next look tries again.
        () => undefined,
      )
      .finally(() => {
        this.#isBusy = false
      })
  }
}
