import type { Clock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import { isDatedUntil } from '../registry/ending.ts'
import type { HeldRegistration, Registry } from '../registry/registry.ts'
import type { Admission } from './admission.ts'
import type { Backlog, ParkedDelivery } from './backlog.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { OpenDeliveries } from './open-deliveries.ts'
import type { RelyingParties, RelyingParty } from './relying-party.ts'
import type { Owed } from './resolve.ts'
import type { RpSettingsCache } from './rp-settings-cache.ts'

export interface BacklogLoopOptions {
  readonly admission: Admission
  readonly backlog: Backlog
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  /** How long a delivery may be tried. Milliseconds. */
  readonly deadlineMs: number
  /** How long a claim protects a delivery from the other replicas. Milliseconds. */
  readonly leaseMs: number
  readonly onError: (error: unknown, failures: number) => void
  /** Between two looks at the index. Milliseconds. */
  readonly pollMs: number
  readonly open: OpenDeliveries
  readonly registry: Registry
  readonly relyingParties: RelyingParties
  readonly settings: RpSettingsCache
}

const RPS_PER_PAGE = 1_000
/** How often the backlog of an RP that is not sent to is looked through for what has expired. */
const SWEEP_EVERY_MS = 5_000
const SWEPT_MAX = 200
/** After an outage of many RPs their backlogs do not wait for one another's round trips. */
const DRAINED_AT_ONCE = 8

/**
 * Takes parked deliveries up again when they are due, on every replica: parked, due → claim (lease) → deliver. It
 * claims no more than the dispatcher has room for, so that nothing waits here while its lease runs out.
 */
export class BacklogLoop {
  readonly #options: BacklogLoopOptions
  readonly #stopped = new AbortController()
  #running: Promise<void> | undefined
  #sleeping: AbortController | undefined
  #isWoken = false

  constructor(options: BacklogLoopOptions) {
    this.#options = options
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Claims nothing more; resolves when the claim under way has been handed on. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped
    for (let failures = 0; !signal.aborted; ) {
      let didClaim = false
      try {
        didClaim = await this.#look()
        failures = 0
      } catch (error) {
        this.#options.onError(error, ++failures)
      }
      // After a full claim there is probably more; otherwise the next look can wait.
      if (!didClaim) await this.#sleep()
    }
  }

  /** An RP that had more due deliveries than room has room now. */
  wake(): void {
    // It may be looking just now, at something else.
    this.#isWoken = true
    this.#sleeping?.abort()
  }

  async #sleep(): Promise<void> {
    if (this.#isWoken) {
      this.#isWoken = false
      return
    }
    this.#sleeping = new AbortController()
    await delay(this.#options.pollMs, AbortSignal.any([this.#stopped.signal, this.#sleeping.signal]))
    this.#sleeping = undefined
    this.#isWoken = false
  }

  /** True when an RP may have more due deliveries and room for them. */
  async #look(): Promise<boolean> {
    const { backlog, clock } = this.#options
    let hasMore = false
    const now = clock.now()
    // All pages: RPs that do not answer stay due, and must not hide the others.
    for (let from = 0; ; from += RPS_PER_PAGE) {
      const due = await backlog.dueRps(now, from, RPS_PER_PAGE)
      for (let i = 0; i < due.length; i += DRAINED_AT_ONCE) {
        if (this.#stopped.signal.aborted) return false
        const drains = due.slice(i, i + DRAINED_AT_ONCE).map((rpKey) => this.#drain(rpKey))
        for (const drained of await Promise.allSettled(drains)) {
          if (drained.status === 'rejected') throw drained.reason
          hasMore = drained.value || hasMore
        }
      }
      if (due.length < RPS_PER_PAGE) return hasMore
    }
  }

  async #drain(rpKey: string): Promise<boolean> {
    const { clock, dispatcher, open, relyingParties, settings } = this.#options
    const rp = relyingParties.byKey(rpKey)
    const limit = Math.min(dispatcher.roomForClaims(rp), open.claimPlaces)
    if (limit === 0) {
      rp.hasDueBacklog = true
      if (!rp.breaker.isClosed) await this.#sweep(rp)
      return false
    }
    open.reserve(limit)
    try {
      // As they are now: an operator who changes them and retries means the next attempt.
      await settings.refresh([rp], 0)
      return (await this.#claim(rp, clock.now(), limit)) === limit
    } finally {
      open.unreserve(limit)
    }
  }

  /**
   * Behind an open breaker nothing is claimed, but a deadline ends a delivery all the same. A delivery is due when it
   * is parked or later, so one that was due a whole deadline ago is past its own.
   */
  async #sweep(rp: RelyingParty): Promise<void> {
    const { clock, deadlineMs, open } = this.#options
    const now = clock.now()
    const limit = Math.min(SWEPT_MAX, open.claimPlaces)
    if (now - rp.sweptAtMs < SWEEP_EVERY_MS || limit === 0) return
    open.reserve(limit)
    try {
      const swept = await this.#claim(rp, now - deadlineMs, limit)
      if (swept < limit) rp.sweptAtMs = now
    } finally {
      open.unreserve(limit)
    }
  }

  async #claim(rp: RelyingParty, dueUntilMs: number, limit: number): Promise<number> {
    const { backlog, clock, leaseMs } = this.#options
    const claimed = await backlog.claim(rp.key, dueUntilMs, clock.now() + leaseMs, limit)
    await this.#deliver(claimed)
    return claimed.length
  }

  async #deliver(claimed: readonly ParkedDelivery[]): Promise<void> {
    const { admission, backlog, registry } = this.#options
    if (claimed.length === 0) return
    const found = await registry.find(claimed)
    const owed: Owed[] = []
    const gone: { parked: ParkedDelivery; successor: HeldRegistration | undefined }[] = []
    for (const [i, parked] of claimed.entries()) {
      const registration = found[i]
      const { cause, deadlineMs } = parked.state
      if (registration === undefined) gone.push({ parked, successor: undefined })
      else if ('reason' in registration) admission.refuse(registration, cause, undefined)
      else if (cause.untilMs !== undefined && !isDatedUntil(registration, cause.untilMs))
        gone.push({ parked, successor: registration })
      else owed.push({ registration, cause, deadlineMs, parked: parked.state })
    }
    admission.admit(owed)
    if (gone.length === 0) return
    // What is gone has been settled, as a rule; nothing else disappears without an outcome.
    const areSettled = await registry.areSettled(gone.map(({ parked }) => parked))
    for (const [i, { parked, successor }] of gone.entries())
      if (!areSettled[i]) admission.giveUp(parked, successor)
    const settled = gone.filter((_, i) => areSettled[i])
    if (settled.length > 0) await backlog.remove(settled.map(({ parked }) => parked))
  }
}
