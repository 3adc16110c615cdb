import type { FailedOutcome, Outcome } from '../events/outcome.ts'
import type { Clock } from '../lib/clock.ts'
import type { BrokenRegistration, HeldRegistration, PendingOutcome, Registry } from '../registry/registry.ts'
import { type Backlog, firstAttemptEndMs, NO_BACKLOG, type ParkedDelivery, unattempted } from './backlog.ts'
import type { Delivery, DeliveryCause, SourceRecord } from './delivery.ts'
import type { DeliveryEvents } from './delivery-events.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { OpenDeliveries } from './open-deliveries.ts'
import type { Parking } from './parking.ts'
import type { RelyingParties } from './relying-party.ts'
import { type Owed, planDeliveries } from './resolve.ts'
import type { Settlement } from './settlement.ts'

export interface AdmissionOptions {
  /** Time for one attempt. Milliseconds. */
  readonly attemptTimeoutMs: number
  readonly backlog: Pick<Backlog, 'hold' | 'makeDue' | 'remove'>
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  readonly events: DeliveryEvents
  readonly open: OpenDeliveries
  /** How a delivery ends that fails without an attempt: in shadow mode as `shadowed`. */
  readonly outcomeOf: (failed: FailedOutcome) => Outcome
  readonly parking: Parking
  readonly registry: Pick<Registry, 'areSettled'>
  readonly relyingParties: RelyingParties
  readonly settlement: Settlement
  readonly lateAfterMs: number
  /** How long a lease protects a delivery from the other replicas. Milliseconds. */
  readonly leaseMs: number
  /** Ends a delivery whose outcome is decided and only has to be published. */
  readonly conclude: (delivery: Delivery, pending: PendingOutcome) => void
  /** When it is too late for an attempt. Milliseconds since the epoch. */
  readonly deadlineOf: (delivery: Delivery) => number
  /** Ends a delivery whose RP is retired. */
  readonly retire: (delivery: Delivery) => void
  /** Ends a delivery whose deadline has passed. */
  readonly expire: (delivery: Delivery) => void
}

/** Where owed registrations become deliveries, from the log and from the backlog alike. */
export class Admission {
  readonly #options: AdmissionOptions

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /** Takes over what is owed. Every waiting record is told when its registration is settled, or safe in the backlog. */
  admit(owed: readonly Owed[]): void {
    const { clock, conclude, deadlineOf, dispatcher, expire, open, relyingParties, retire } = this.#options
    const now = clock.now()
    const isLate = ({ occurredAtMs }: DeliveryCause) => now - occurredAtMs > this.#options.lateAfterMs
    const fresh = owed.filter(({ registration, sourceRecord }) => !open.join(registration, sourceRecord))
    for (const delivery of planDeliveries(fresh, relyingParties, isLate)) {
      open.add(delivery)
      const { pendingOutcome } = delivery.registration
      const { state } = delivery.rp
      if (pendingOutcome !== undefined) conclude(delivery, pendingOutcome)
      else if (state?.kind === 'retired') retire(delivery)
      else if (state?.kind === 'paused') this.park(delivery)
      else if (now >= deadlineOf(delivery)) expire(delivery)
      else if (!dispatcher.submit(delivery)) this.park(delivery)
    }
  }

  /**
   * Takes over what was owed before, unless somebody has it: what is parked or leased stays as it is. Every waiting record is
   * told, because whatever is not taken over is safe in the backlog. Throws when Redis cannot be reached.
   */
  async readmit(owed: readonly Owed[]): Promise<void> {
    const { backlog, clock, leaseMs, registry } = this.#options
    const now = clock.now()
    const held = await backlog.hold(
      owed.map((it) => unattempted(it, now + leaseMs)),
      now,
      now + leaseMs,
    )
    // Of what nobody has, nothing but its record keeps it: that is not told before it is settled.
    const taken = owed.flatMap((it, i) =>
      held[i] === 'backlog' ? [] : [{ it, isParked: held[i] === 'caller' }],
    )
    // Whoever had it may have settled it since the registry was asked what is owed.
    const areSettled = await registry.areSettled(taken.map(({ it }) => it.registration))
    const settled = taken.filter((_, i) => areSettled[i])
    if (settled.length > 0) await backlog.remove(settled.map(({ it }) => unattempted(it, now)))
    this.admit(
      taken
        .filter((_, i) => !areSettled[i])
        .map(({ it: { sourceRecord, ...it }, isParked }) =>
          isParked
            ? { ...it, parked: unattempted(it, now).state }
            : { ...it, ...(sourceRecord && { sourceRecord }) },
        ),
    )
    const open = new Set(taken.filter(({ isParked }, i) => !isParked && !areSettled[i]).map(({ it }) => it))
    for (const it of owed) if (!open.has(it)) it.sourceRecord?.acknowledge()
  }

  /**
   * Puts what is open here into the backlog under a lease, so that its records need not wait for it: whoever reads them
   * next, because a rebalance takes them away, finds that somebody is at it. Throws when the backlog cannot be reached.
   */
  async handOver(): Promise<void> {
    const { backlog, clock, leaseMs, open } = this.#options
    const now = clock.now()
    const deliveries = [...open.all()].filter(({ isHeld }) => isHeld !== true)
    const parked = deliveries.map((delivery) =>
      [delivery.registration, ...delivery.coalesced].map((registration) =>
        unattempted({ ...delivery, registration }, now + leaseMs),
      ),
    )
    const holders = await backlog.hold(parked.flat(), now, now + leaseMs)
    let at = 0
    for (const [i, delivery] of deliveries.entries()) {
      const isKept = holders[at] !== 'nobody'
      at += parked[i]?.length ?? 0
      if (!isKept) continue
      delivery.isHeld = true
      for (const sourceRecord of delivery.sourceRecords.splice(0)) sourceRecord.acknowledge()
    }
  }

  /**
   * Makes due what is parked, and sees to it that what is not is looked at when a first attempt must have ended. Every
   * record is told. Throws when the backlog cannot be reached.
   */
  async makeDue(owed: readonly Owed[]): Promise<void> {
    const { attemptTimeoutMs, backlog, clock } = this.#options
    const now = clock.now()
    const dueMs = firstAttemptEndMs(now, attemptTimeoutMs)
    const refused = await backlog.makeDue(
      owed.map((it) => unattempted(it, dueMs)),
      now,
    )
    const isKept = ({ registration: { issuer, clientId } }: Owed) => !refused.has(`${issuer}|${clientId}`)
    this.admit(owed.filter((it) => !isKept(it)))
    for (const it of owed) if (isKept(it)) it.sourceRecord?.acknowledge()
  }

  /** Keeps a delivery for which there is no room now, or whose RP does not answer or is paused. */
  park(delivery: Delivery): void {
    const { clock, deadlineOf, events, parking } = this.#options
    const { breaker, state } = delivery.rp
    const isPaused = state?.kind === 'paused'
    // However long the RP wants to be left alone, the delivery ends at its deadline.
    const wantedMs = isPaused ? 0 : Math.min(breaker.openUntilMs, deadlineOf(delivery))
    const dueMs = Math.max(clock.now(), wantedMs)
    events.parked(delivery, isPaused ? 'paused' : breaker.isClosed ? 'no-room' : 'breaker-open', dueMs)
    parking.park(delivery, dueMs)
  }

  /**
   * A registration that cannot be read cannot be delivered: it ends as `failed: invalid`. `parked`: where it was claimed,
   * if it was.
   */
  refuse(
    broken: BrokenRegistration,
    cause: DeliveryCause,
    sourceRecord: SourceRecord | undefined,
    parked?: ParkedDelivery,
  ): void {
    const { events, open, outcomeOf, settlement } = this.#options
    const { issuer, sessionId, oidcSessionId, partial, reason } = broken
    const outcome = outcomeOf({ kind: 'failed', reason: 'invalid', attempts: 0, lastError: reason })
    const subject = { ...partial, issuer, sessionId, oidcSessionId }
    if (partial.clientId !== undefined) this.#countFailed(`${issuer}|${partial.clientId}`)
    events.settled(outcome, subject, cause)
    const isFinal = open.addOutcome({ isClaimed: parked !== undefined })
    const done = (): void => {
      isFinal()
      sourceRecord?.acknowledge()
    }
    settlement.add({ outcome, subject, cause, done, ...(parked && { parked }) })
  }

  /** Ends what should be parked and cannot be, before any attempt. */
  abandon({ registration, cause }: Pick<Owed, 'registration' | 'cause'>): void {
    const { events, open, outcomeOf, settlement } = this.#options
    const outcome = outcomeOf({ kind: 'failed', reason: 'invalid', attempts: 0, lastError: NO_BACKLOG })
    this.#countFailed(`${registration.issuer}|${registration.clientId}`)
    events.settled(outcome, registration, cause)
    const done = open.addOutcome({ isClaimed: false })
    settlement.add({ outcome, subject: registration, cause, done })
  }

  /**
   * Ends a parked delivery, which this replica has claimed, whose registration is not there any more although nobody has
   * settled it: it has expired or was removed, or a later login under the same ids, `successor`, took its place.
   */
  giveUp({ state, ...parked }: ParkedDelivery, successor: HeldRegistration | undefined): void {
    const { events, open, outcomeOf, settlement } = this.#options
    const { issuer, sessionId, oidcSessionId, rpKey } = parked
    const { attempts, cause, lastError, lastStatus } = state
    const why =
      successor === undefined
        ? 'its registration is no longer in Redis'
        : 'a later login has replaced its registration'
    const outcome = outcomeOf({
      kind: 'failed',
      reason: 'expired',
      attempts,
      ...(lastStatus !== undefined && { lastStatus }),
      lastError: lastError === undefined ? why : `${why}; last: ${lastError}`,
    })
    const clientId = rpKey.slice(rpKey.indexOf('|') + 1)
    const registeredAtMs = successor === undefined ? undefined : cause.untilMs
    const subject = {
      issuer,
      sessionId,
      oidcSessionId,
      clientId,
      ...(registeredAtMs !== undefined && { registeredAtMs }),
    }
    this.#countFailed(rpKey)
    events.settled(outcome, subject, cause)
    const done = open.addOutcome({ isClaimed: true })
    settlement.add({ outcome, subject, cause, parked: { ...parked, state }, done })
  }

  #countFailed(rpKey: string): void {
    const rp = this.#options.relyingParties.byKey(rpKey)
    rp.failed++
    rp.failedAtMs = this.#options.clock.now()
  }
}
