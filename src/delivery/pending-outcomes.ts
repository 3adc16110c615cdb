import type { Clock } from '../lib/clock.ts'
import type { RegistrationKey, Registry } from '../registry/registry.ts'
import type { Settling } from './settlement.ts'

/** An outcome on its way to the log. */
export interface Unpublished {
  readonly settling: Settling
  /** On the monotonic clock. */
  readonly sinceMs: number
  isNoted: boolean
}

export interface PendingOutcomesOptions {
  readonly clock: Clock
  readonly registry: Pick<Registry, 'notePending'>
  readonly unpublished: () => readonly Unpublished[]
}

const LOOK_MS = 250
/** Kafka takes an outcome within milliseconds. */
const LATE_MS = 500

/**
 * While Kafka takes no outcomes, what an RP has accepted is known to this process alone. A member that cannot reach a
 * broker may lose its partitions as well, and their next owner would tell the RPs again; so outcomes that are late are
 * noted where that owner looks. One timer for all of them, and none when there are none.
 */
export class PendingOutcomes {
  readonly #options: PendingOutcomesOptions
  #timer: NodeJS.Timeout | undefined
  #isStopped = false

  constructor(options: PendingOutcomesOptions) {
    this.#options = options
  }

  /** To be called when an outcome is decided. */
  watch(): void {
    if (this.#timer !== undefined || this.#isStopped) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      const { clock, unpublished } = this.#options
      const [oldest] = unpublished()
      if (oldest === undefined) return
      if (clock.monotonic() - oldest.sinceMs >= LATE_MS) this.note()
      this.watch()
    }, LOOK_MS).unref()
  }

  /** To be called when Kafka has refused them. */
  note(): void {
    const { registry, unpublished } = this.#options
    const fresh = unpublished().filter((it) => !it.isNoted && isOfRegistration(it))
    if (fresh.length === 0) return
    for (const it of fresh) it.isNoted = true
    registry.notePending(fresh.map(({ settling }) => noteOf(settling))).catch(() => {
      // Redis is away as well, which is told elsewhere; the next look tries again.
      for (const it of fresh) it.isNoted = false
    })
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
  }
}

/** What cannot be read as a registration is found invalid by whoever reads it. */
function isOfRegistration({ settling: { outcome } }: Unpublished): boolean {
  // A shadowed one is decided again at no cost to anybody.
  return outcome.kind === 'sent' || (outcome.kind === 'failed' && outcome.reason !== 'invalid')
}

function noteOf({ outcome, subject, cause }: Settling): Parameters<Registry['notePending']>[0][number] {
  const { everywhere: _, ...trigger } = cause
  return { ...(subject as RegistrationKey), pendingOutcome: { outcome, ...trigger } }
}
