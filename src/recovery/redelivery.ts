import type { Admission } from '../delivery/admission.ts'
import type { Creditor, DeliveryCause } from '../delivery/delivery.ts'
import type { Leases } from '../delivery/leases.ts'
import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import type { RelyingParties } from '../delivery/relying-party.ts'
import type { RpSettingsCache } from '../delivery/rp-settings-cache.ts'
import type { Registration } from '../events/registration.ts'
import type { Clock } from '../lib/clock.ts'
import { MicroBatcher } from '../lib/micro-batcher.ts'
import type { RateLimit } from '../lib/rate-limit.ts'
import type { BrokenRegistration } from '../registry/registry.ts'
import type { OwnBacklog } from './own-backlog.ts'
import type { Patience } from './patience.ts'
import type { ReplayBook } from './replay-book.ts'

/** What one trigger, or one failed outcome, is still owed. */
export interface OwedByCause {
  readonly cause: DeliveryCause
  readonly registrations: readonly Registration[]
  readonly broken: readonly BrokenRegistration[]
  /** Until then it may be tried; a deadline from now on where there is none, or it is over. Milliseconds since the epoch. */
  readonly deadlineMs?: number
}

export interface RedeliveryOptions {
  readonly backlog: OwnBacklog
  readonly book: ReplayBook
  readonly clock: Clock
  readonly core: {
    readonly admission: Admission
    readonly open: OpenDeliveries
    readonly relyingParties: RelyingParties
    readonly settings: RpSettingsCache
  }
  /** From now on, also for a trigger of long ago, whose own deadline is over. Milliseconds. */
  readonly deadlineMs: number
  readonly leases: Leases
  readonly patience: Patience
  readonly rate: RateLimit | undefined
}

/**
 * Asked about registrations once their leases are held, because somebody may have settled them shortly before; returns
 * those that are to be delivered. Throws when that cannot be found out now.
 */
export type Confirm = (registrations: readonly Registration[]) => Promise<readonly Registration[]>

interface Left extends Pick<OwedByCause, 'cause' | 'deadlineMs'> {
  readonly registration: Registration
  readonly confirm: Confirm
}

interface Lease {
  readonly name: Registration
  readonly untilMs: number
}

/** As long as a delivery may wait here for its turn, and then for its answer. */
const LEASE_MS = 120_000
const RELEASE_BATCH_MAX = 500

/**
 * Hands owed registrations to the delivery core of this process, each under a lease: what another process is
 * attempting at this moment is left to it as long as its lease lasts, and what is parked is not claimed meanwhile.
 */
export class Redelivery {
  readonly #options: RedeliveryOptions
  readonly #left = new Map<Registration, Left>()
  readonly #releases: MicroBatcher<Lease>

  constructor(options: RedeliveryOptions) {
    this.#options = options
    this.#releases = new MicroBatcher({
      flush: (leases) => options.leases.release(leases),
      onFlushed: () => undefined,
      onError: (error, failures) => options.patience.suffer('Redis', error, failures),
      maxBatch: RELEASE_BATCH_MAX,
    })
  }

  /** Deliveries that another process had under way when they were last looked at. */
  get left(): number {
    return [...this.#left.keys()].filter((it) => this.#options.book.isParked(it)).length
  }

  /** Resolves when everything is handed on, or patience ends, in which case the rest stays as it was. */
  async deliver(groups: readonly OwedByCause[], confirm: Confirm): Promise<void> {
    await this.#handOn(
      groups.map((group) => this.#fresh(group)),
      confirm,
    )
  }

  /**
   * Hands on what was left to another process, as far as that has given its leases up, or let them run out because it
   * died. `follow` learns from the log which of them it has settled.
   */
  async takeOver(follow: () => Promise<void>): Promise<void> {
    const { book } = this.#options
    for (const [registration] of this.#left) if (!book.isParked(registration)) this.#left.delete(registration)
    for (const [confirm, left] of Map.groupBy(this.#left.values(), (it) => it.confirm)) {
      const groups = left.map(({ cause, deadlineMs, registration }) => ({
        cause,
        ...(deadlineMs !== undefined && { deadlineMs }),
        registrations: [registration],
        broken: [],
      }))
      await this.#handOn(groups, async (registrations) => {
        await follow()
        return confirm(registrations.filter((it) => book.isParked(it)))
      })
    }
  }

  async #handOn(groups: readonly OwedByCause[], confirm: Confirm): Promise<void> {
    const { book, core, patience, rate } = this.#options
    const untilMs = await this.#lease(groups, confirm)
    const leased = [...untilMs.keys()]
    const kept = new Set(leased.length === 0 ? leased : await this.#confirmed(confirm, untilMs))
    for (const it of leased) {
      if (kept.has(it)) continue
      book.forget(it)
      this.#release(it, untilMs.get(it))
      untilMs.delete(it)
    }
    for (const { registrations, broken, ...group } of groups) {
      const mine = registrations.filter((it) => untilMs.has(it))
      const count = mine.length + broken.length
      if (count > 0) await rate?.take(count, patience.signal)
      if (!patience.signal.aborted) await core.open.room.wait()
      if (patience.signal.aborted) for (const it of mine) this.#release(it, untilMs.get(it))
      else this.#admit({ ...group, registrations: mine, broken }, untilMs)
    }
  }

  /** As `confirm` says; all of them when patience ends before. What can never be confirmed is not held on to. */
  async #confirmed(
    confirm: Confirm,
    untilMs: ReadonlyMap<Registration, number>,
  ): Promise<readonly Registration[]> {
    const leased = [...untilMs.keys()]
    try {
      return (await this.#options.patience.repeat('Redis', () => confirm(leased))) ?? leased
    } catch (error) {
      for (const it of leased) this.#release(it, untilMs.get(it))
      throw error
    }
  }

  /** Resolves when every lease is given back that can be; the others run out. */
  async idle(): Promise<void> {
    await this.#releases.idle()
  }

  stop(): void {
    this.#releases.stop()
  }

  /** Without what another trigger of this replay has brought up already. */
  #fresh({ registrations, broken, ...group }: OwedByCause): OwedByCause {
    const { book } = this.#options
    return {
      ...group,
      registrations: registrations.filter((it) => book.begin(it)),
      broken: broken.filter((it) => book.begin(it)),
    }
  }

  /** The end of the lease of each registration that nobody else delivers; the others are left to whoever does. */
  async #lease(groups: readonly OwedByCause[], confirm: Confirm): Promise<Map<Registration, number>> {
    const { backlog, book, clock, core, leases, patience } = this.#options
    const untilMs = clock.now() + LEASE_MS
    const mine = new Map<Registration, number>()
    const asked = groups.flatMap(({ registrations, broken: _, ...group }) =>
      registrations.map((registration) => ({ ...group, registration, confirm })),
    )
    if (asked.length === 0) return mine
    const registrations = asked.map(({ registration }) => registration)
    const taken = await patience.repeat('Redis', async () => {
      const answers = await leases.take(registrations, clock.now(), untilMs)
      await core.settings.refresh(registrations.map((it) => core.relyingParties.get(it.issuer, it.clientId)))
      return answers
    })
    for (const [i, it] of asked.entries()) {
      const { registration } = it
      if (taken?.[i] === true) {
        mine.set(registration, untilMs)
        this.#left.delete(registration)
      } else if (taken !== undefined) {
        book.park(registration)
        this.#left.set(registration, it)
        backlog.watch(core.relyingParties.get(registration.issuer, registration.clientId).key)
      }
    }
    return mine
  }

  #admit(
    { cause, registrations, broken, deadlineMs: own = 0 }: OwedByCause,
    untilMs: ReadonlyMap<Registration, number>,
  ): void {
    const { book, clock, core, deadlineMs } = this.#options
    for (const it of registrations) book.reopen(it)
    const now = clock.now()
    // The same one as the relays', so that there are no two of one delivery in the backlog.
    const until = own > now ? own : now + deadlineMs
    const creditorOf = (registration: Registration): Creditor => ({
      settled: () => {
        // What was parked has given its lease back with that.
        if (book.close(registration)) this.#release(registration, untilMs.get(registration))
      },
    })
    core.admission.admit(
      registrations.map((registration) => ({
        registration,
        cause,
        deadlineMs: until,
        creditor: creditorOf(registration),
      })),
    )
    for (const it of broken) core.admission.refuse(it, cause, { settled: () => book.close(it) })
  }

  #release(name: Registration, untilMs: number | undefined): void {
    if (untilMs !== undefined) this.#releases.add({ name, untilMs })
  }
}
