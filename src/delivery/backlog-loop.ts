import type { Clock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import type { RepeatedStep } from '../lib/repeated-steps.ts'
import { isDatedUntil } from '../registry/ending.ts'
import type { HeldRegistration, Registry } from '../registry/registry.ts'
import type { Admission } from './admission.ts'
import type { Backlog, ParkedDelivery } from './backlog.ts'
import type { DeliveryIssuers } from './delivery-issuers.ts'
import type { Dispatcher } from './dispatcher.ts'
import { issuersInTurn } from './issuer-shares.ts'
import { KeepPaused } from './keep-paused.ts'
import type { OpenDeliveries } from './open-deliveries.ts'
import { issuerOf, type RelyingParties, type RelyingParty } from './relying-party.ts'
import type { Owed } from './resolve.ts'
import type { RpSettingsCache } from './rp-settings-cache.ts'

export interface BacklogLoopOptions {
  readonly admission: Admission
  readonly backlog: Backlog
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  readonly guard: { readonly isIntact: boolean }
  /** While it is closed nothing is claimed. */
  readonly clear?: { readonly isOpen: boolean } | undefined
  /** How long a claim protects a delivery from the other replicas. Milliseconds. */
  readonly leaseMs: number
  readonly claiming: RepeatedStep
  readonly issuers: DeliveryIssuers
  /** Between two looks at the index. Milliseconds. */
  readonly pollMs: number
  readonly open: OpenDeliveries
  readonly registry: Registry
  readonly relyingParties: RelyingParties
  readonly settings: RpSettingsCache
}

const RPS_PER_PAGE = 1_000
/** How often the backlog of an RP that is not sent to is looked through for what has expired. */
const SWEEP_EVERY_MS = 2_500
const SWEPT_MAX = 200
/** Of a larger backlog each time those that are due first, and as many of the others in turn. */
const SWEEP_LOOKS_AT = 1_000
/** RPs that are looked through after the same look; the others have their turn with the next. */
const SWEEPS_PER_LOOK = 64
/** RPs of other issuers whose place in the index is looked at after the same look, once each. */
const STRANGERS_PER_LOOK = 500
const STRANGERS_MAX = 20_000
/** After an outage of many RPs their backlogs do not wait for one another's round trips. */
const DRAINED_AT_ONCE = 32

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
  readonly #strangers = new Set<string>()
  readonly #keepPaused: KeepPaused

  constructor(options: BacklogLoopOptions) {
    this.#options = options
    this.#keepPaused = new KeepPaused(options.backlog, options.clock)
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
        if (failures > 0) this.#options.claiming.onRecovered()
        failures = 0
      } catch (error) {
        this.#options.claiming.onError(error, ++failures)
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
    const { clear, dispatcher, guard } = this.#options
    if (!guard.isIntact || clear?.isOpen === false) return false
    const all = issuersInTurn(await this.#dueRps())
    const due = all.filter(({ state }) => state?.kind !== 'retired')
    const silent = due.filter(({ breaker }) => !breaker.isClosed)
    const talking = due.filter(({ breaker }) => breaker.isClosed)
    // Probes first, and sweeps last: however many RPs hang, one that is well again need not wait for what they cost.
    const probed = await this.#each(dispatcher.nextProbes(silent), (rp) => this.#probe(rp))
    const drained = await this.#each(
      talking,
      (rp) => this.#drain(rp),
      (rp) => this.#hasRoom(rp),
    )
    const ended = await this.#each(
      all.filter(({ state }) => state?.kind === 'retired'),
      (rp) => this.#endRetired(rp),
    )
    for (const rp of silent) rp.hasDueBacklog = true
    const unswept = silent.filter((rp) => this.#mustBeSwept(rp)).slice(0, SWEEPS_PER_LOOK)
    await this.#each(unswept, (rp) => this.#sweep(rp))
    return probed || drained || ended
  }

  /** All of them: RPs that do not answer stay due, and must not hide the others. */
  async #dueRps(): Promise<RelyingParty[]> {
    const { backlog, clock, issuers, relyingParties } = this.#options
    const now = clock.now()
    const due: RelyingParty[] = []
    const paused: RelyingParty[] = []
    const strangers: string[] = []
    for (let from = 0; ; from += RPS_PER_PAGE) {
      const page = await backlog.dueRps(now, from, RPS_PER_PAGE)
      for (const rpKey of page) {
        const issuer = issuers.get(issuerOf(rpKey))
        // Of another issuer nothing is claimed: another relay may be able to sign for it.
        if (issuer?.isEnabled) {
          if (issuer.isMisnamed) continue
          const rp = relyingParties.byKey(rpKey)
          // However much it has parked, it stays where it is.
          if (rp.state?.kind === 'paused') paused.push(rp)
          else due.push(rp)
        } else if (strangers.length < STRANGERS_PER_LOOK && !this.#strangers.has(rpKey)) strangers.push(rpKey)
      }
      if (page.length < RPS_PER_PAGE) break
    }
    this.#keepPaused.look(paused)
    if (strangers.length > 0) await this.#tidy(strangers, now)
    return due
  }

  /** No claim of this relay ever takes one out of the index that has no backlog, and every look passes over it. */
  async #tidy(strangers: readonly string[], nowMs: number): Promise<void> {
    await this.#options.backlog.tidyIndex(strangers, nowMs)
    if (this.#strangers.size >= STRANGERS_MAX) this.#strangers.clear()
    for (const rpKey of strangers) this.#strangers.add(rpKey)
  }

  /** True when one of the steps says so. RPs for which there is nothing to do cost no turn of the others. */
  async #each(
    rps: readonly RelyingParty[],
    step: (rp: RelyingParty) => Promise<boolean>,
    isToBeDone: (rp: RelyingParty) => boolean = () => true,
  ): Promise<boolean> {
    let any = false
    for (let i = 0; i < rps.length && !this.#stopped.signal.aborted; ) {
      const steps: Promise<boolean>[] = []
      for (; i < rps.length && steps.length < DRAINED_AT_ONCE; i++) {
        const rp = rps[i] as RelyingParty
        if (isToBeDone(rp)) steps.push(step(rp))
      }
      for (const done of await Promise.allSettled(steps)) {
        if (done.status === 'rejected') throw done.reason
        any = done.value || any
      }
    }
    return any
  }

  #hasRoom(rp: RelyingParty): boolean {
    const hasRoom = this.#options.dispatcher.roomForClaims(rp) > 0
    if (!hasRoom) rp.hasDueBacklog = true
    return hasRoom
  }

  /** Without a place among those that may be claimed: one delivery per RP at most, and all others may hang. */
  async #probe(rp: RelyingParty): Promise<boolean> {
    const { clock, dispatcher } = this.#options
    if (dispatcher.roomForClaims(rp) === 0) return false
    return (await this.#claim(rp, clock.now(), 1)) === 1
  }

  async #drain(rp: RelyingParty): Promise<boolean> {
    const { clock, dispatcher, open } = this.#options
    const limit = open.reserve(rp, dispatcher.roomForClaims(rp))
    if (limit === 0) {
      rp.hasDueBacklog = true
      return false
    }
    const kept = dispatcher.keepForClaim(rp, limit)
    try {
      const isFull = (await this.#claim(rp, clock.now(), limit)) === limit
      if (!isFull) rp.hasDueBacklog = false
      return isFull
    } finally {
      open.unreserve(rp, limit)
      dispatcher.giveBackClaim(rp, kept)
    }
  }

  #mustBeSwept(rp: RelyingParty): boolean {
    return this.#options.clock.monotonic() - rp.sweptAtMs >= SWEEP_EVERY_MS
  }

  /** Behind an open breaker nothing is claimed, but a deadline ends a delivery all the same. */
  async #sweep(rp: RelyingParty): Promise<boolean> {
    const { clock, issuers, open } = this.#options
    const limit = open.reserve(rp, SWEPT_MAX)
    if (limit === 0) return false
    try {
      // Pauses put deadlines off. A delivery is due when it is parked or later, so one that was due a whole deadline ago is
      // past its own.
      const swept =
        rp.state === undefined
          ? await this.#claimExpired(rp, limit)
          : await this.#claim(rp, clock.now() - (issuers.get(rp.issuer)?.deadlineMs ?? 0), limit)
      if (swept < limit) rp.sweptAtMs = clock.monotonic()
    } finally {
      open.unreserve(rp, limit)
    }
    return false
  }

  async #claimExpired(rp: RelyingParty, limit: number): Promise<number> {
    const { backlog, clock, leaseMs } = this.#options
    const claim = (max: number, from: number) => {
      const now = clock.now()
      return backlog.claimExpired(rp.key, now, now + leaseMs, max, { from, count: SWEEP_LOOKS_AT })
    }
    // What has waited longest stands first, and has expired unless it was tried again since.
    const first = await claim(limit, 0)
    await this.#deliver(first.claimed)
    const left = limit - first.claimed.length
    if (first.next === 0 || left === 0) return first.claimed.length
    const others = await claim(left, Math.max(rp.sweptTo, first.next))
    rp.sweptTo = others.next
    await this.#deliver(others.claimed)
    return first.claimed.length + others.claimed.length
  }

  /** Nothing is sent, so neither its breaker nor the places of others matter. */
  async #endRetired(rp: RelyingParty): Promise<boolean> {
    const { clock, open } = this.#options
    const limit = open.reserve(rp, SWEPT_MAX)
    if (limit === 0) return false
    try {
      return (await this.#claim(rp, clock.now(), limit)) === limit
    } finally {
      open.unreserve(rp, limit)
    }
  }

  async #claim(rp: RelyingParty, dueUntilMs: number, limit: number): Promise<number> {
    const { backlog, clock, leaseMs, settings } = this.#options
    const [claimed] = await Promise.all([
      backlog.claim(rp.key, dueUntilMs, clock.now() + leaseMs, limit),
      // As they are now: an operator who changes them and retries means the next attempt.
      settings.refresh([rp], 0),
    ])
    await this.#deliver(claimed)
    return claimed.length
  }

  async #deliver(claimed: readonly ParkedDelivery[]): Promise<void> {
    const { admission, backlog, registry } = this.#options
    if (claimed.length === 0) return
    const found = await registry.find(claimed)
    const owed: Owed[] = []
    const gone: { parked: ParkedDelivery; successor: HeldRegistration | undefined }[] = []
    const settled: ParkedDelivery[] = []
    for (const [i, parked] of claimed.entries()) {
      const registration = found[i]
      const { cause, deadlineMs } = parked.state
      if (registration === undefined) gone.push({ parked, successor: undefined })
      else if ('reason' in registration) admission.refuse(registration, cause, undefined, parked)
      else if (registration.isShadowed === true) settled.push(parked)
      else if (cause.untilMs !== undefined && !isDatedUntil(registration, cause.untilMs))
        gone.push({ parked, successor: registration })
      else owed.push({ registration, cause, deadlineMs, parked: parked.state })
    }
    admission.admit(owed)
    if (gone.length > 0) {
      // What is gone has been settled, as a rule; nothing else disappears without an outcome.
      const areSettled = await registry.areSettled(gone.map(({ parked }) => parked))
      for (const [i, { parked, successor }] of gone.entries())
        if (areSettled[i]) settled.push(parked)
        else admission.giveUp(parked, successor)
    }
    if (settled.length > 0) await backlog.remove(settled)
  }
}
