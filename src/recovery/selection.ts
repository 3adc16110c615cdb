import { firstAttemptEndMs } from '../delivery/backlog.ts'
import type { OutcomeDetails } from '../events/read-outcome-details.ts'
import type { Registration } from '../events/registration.ts'
import type { LogReader } from '../intake/log-reader.ts'
import type { Clock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import { codeOf } from '../lib/errors.ts'
import type { RateLimit } from '../lib/rate-limit.ts'
import type { BrokenRegistration, HeldRegistration, Registry } from '../registry/registry.ts'
import type { FollowOutcomes } from './follow-outcomes.ts'
import type { OutageBudget } from './outage-budget.ts'
import type { NotParked, OwedByCause, ParkOwed } from './park-owed.ts'
import type { RecoveryRegistry } from './recovery-registry.ts'
import type { ReplayTally } from './replay-tally.ts'

export interface SelectionOptions {
  /** Time of a first attempt. Milliseconds. */
  readonly attemptTimeoutMs: number
  readonly tally: ReplayTally
  readonly clock: Clock
  /** Counted from now, also for an old trigger whose own deadline has passed. Milliseconds. */
  readonly deadlineMs: number
  /** How long outcomes are waited for unless somebody says so. Milliseconds. */
  readonly lateAfterMs: number
  readonly follow: FollowOutcomes
  readonly groupId: string
  /** The RP has no backlog, so its delivery is not parked. */
  readonly onNotParked: (registration: NotParked['registration']) => void
  /** No relay is running to deliver what is parked. */
  readonly onUnserved: () => void
  readonly parkOwed: ParkOwed
  readonly outageBudget: OutageBudget
  readonly rate: RateLimit | undefined
  readonly reader: Pick<LogReader, 'hasMembers'>
  readonly recovery: Pick<RecoveryRegistry, 'reopen'>
  readonly registry: Pick<Registry, 'areSettled' | 'find'>
}

/** Selected deliveries. Their deadline is that of their ending, if it has one. */
export interface Selected extends Omit<OwedByCause, 'deadlineMs' | 'dueMs'> {
  readonly deadlineMs?: number
  /** Of the trigger, as its producer states it; of a failed outcome why it failed. */
  readonly reason?: string
  /** A relay may be making the first attempt, and a delivery under way is not parked. */
  readonly mayBeUnderWay?: boolean
}

const LOOK_MS = 500
const MEMBERS_LOOK_MS = 10_000
/** A relay finds expired deliveries a moment later. */
const OVERTIME_MS = 10_000
/** Deliveries without an outcome that are looked up in the registry together. */
const LOOKED_UP_MAX = 1_000

/** Parks what `replay` and `reconcile` have selected, and follows its outcomes on the log. */
export class Selection {
  readonly #options: SelectionOptions
  #lookedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: SelectionOptions) {
    this.#options = options
  }

  /** Resolves when everything is parked, or the outage budget is spent. The rest stays as it was then. */
  async take(selected: readonly Selected[]): Promise<void> {
    await this.#take(selected, async (groups) => groups)
  }

  /** The same for failed deliveries, whose registrations are gone. */
  async takeFailed(selected: readonly Selected[]): Promise<void> {
    await this.#take(selected, async (groups) => {
      const deadlines = await this.#options.recovery.reopen(
        groups.flatMap(({ registrations, deadlineMs }) =>
          registrations.map((registration) => ({ registration, deadlineMs })),
        ),
      )
      return groups.flatMap(({ registrations, ...group }) =>
        registrations.map((it) => ({
          ...group,
          registrations: [it],
          deadlineMs: deadlines.shift() ?? group.deadlineMs,
        })),
      )
    })
  }

  /**
   * Resolves when every delivery has its outcome, `waitMs` have passed (by default until they are late) or the outage budget is
   * spent. By default also when no relay is running.
   */
  async settle(waitMs: number | undefined): Promise<void> {
    const { attemptTimeoutMs, tally, clock, lateAfterMs, onUnserved, outageBudget } = this.#options
    const untilMs = clock.monotonic() + (waitMs ?? lateAfterMs + attemptTimeoutMs + OVERTIME_MS)
    let isReported = false
    let looksWithout = 0
    let membersAtMs = Number.NEGATIVE_INFINITY
    await this.#look()
    while (tally.counts.parked > 0 && !outageBudget.signal.aborted) {
      if (clock.monotonic() - membersAtMs >= MEMBERS_LOOK_MS) {
        // A relay that restarts is away for a moment.
        looksWithout = (await this.#isServed()) ? 0 : looksWithout + 1
        const isUnserved = looksWithout > (Number.isFinite(membersAtMs) ? 1 : 0)
        membersAtMs = clock.monotonic()
        if (isUnserved && !isReported) onUnserved()
        isReported ||= isUnserved
        if (isUnserved && waitMs === undefined) return
      }
      if (clock.monotonic() >= untilMs) return
      await delay(Math.min(LOOK_MS, untilMs - clock.monotonic()), outageBudget.signal)
      const before = tally.counts.parked
      await this.#look()
      if (tally.counts.parked === before) await this.#forgetSettled()
    }
  }

  async #take(
    selected: readonly Selected[],
    prepare: (groups: readonly OwedByCause[]) => Promise<readonly OwedByCause[]>,
  ): Promise<void> {
    const { tally, onNotParked, parkOwed, outageBudget, rate } = this.#options
    const groups = selected.map((it) => this.#fresh(it))
    const all = groups.flatMap(({ registrations, broken }) => [...registrations, ...broken])
    if (all.length === 0) return
    await rate?.take(all.length, outageBudget.signal)
    const refused = await outageBudget.repeat('Redis', async () => parkOwed.park(await prepare(groups)))
    if (refused === undefined) return
    const notParked = new Set<Registration | BrokenRegistration>(refused.map((it) => it.registration))
    for (const it of all) {
      if (notParked.has(it)) onNotParked(it)
      else tally.park(it)
    }
    if (this.#options.clock.monotonic() - this.#lookedAtMs >= LOOK_MS) await this.#look()
  }

  /**
   * Leaves out what another trigger selected already. Uses the ending's own deadline, so that the relays see the same
   * delivery, unless it leaves no time for an attempt.
   */
  #fresh(selected: Selected): OwedByCause {
    const { tally } = this.#options
    const { cause, registrations, broken } = selected
    return {
      cause,
      ...this.timesOf(selected),
      registrations: registrations.filter((it) => tally.add(it)),
      broken: broken.filter((it) => tally.add(it)),
    }
  }

  /** When it would be due and until when it would be tried, if it were parked now. Milliseconds since the epoch. */
  timesOf({ deadlineMs: own = 0, mayBeUnderWay }: Selected): Pick<OwedByCause, 'deadlineMs' | 'dueMs'> {
    const { attemptTimeoutMs, clock, deadlineMs } = this.#options
    const now = clock.now()
    const dueMs = mayBeUnderWay === true ? firstAttemptEndMs(now, attemptTimeoutMs) : now
    return { dueMs, deadlineMs: own > dueMs ? own : dueMs + deadlineMs }
  }

  async #isServed(): Promise<boolean> {
    const { groupId, reader } = this.#options
    return reader.hasMembers(groupId)
  }

  async #look(): Promise<void> {
    const { clock, follow, outageBudget } = this.#options
    await follow.look(outageBudget.signal).catch((error: unknown) => {
      if (!outageBudget.signal.aborted) throw error
    })
    this.#lookedAtMs = clock.monotonic()
  }

  /** A relay may have published an outcome just before this process began to read, and removed the registration since. */
  async #forgetSettled(): Promise<void> {
    const { tally, outageBudget, registry } = this.#options
    const page = tally.nextParked(LOOKED_UP_MAX)
    const look = async () => {
      const [found, areSettled] = [await registry.find(page), await registry.areSettled(page)]
      return page.filter((_, i) => isGone(found[i]) && areSettled[i])
    }
    const gone = await outageBudget.repeat('Redis', look).catch((error: unknown) => {
      // The relays complete the store and then continue.
      if (codeOf(error) !== 'LR_REGISTRY_LOST') throw error
      return []
    })
    if (gone === undefined || gone.length === 0) return
    // Its outcome was published earlier and may have arrived since the last reading.
    await this.#look()
    for (const it of gone) tally.forget(it)
  }
}

/** A relay in shadow mode leaves what it has settled where it is. */
function isGone(found: HeldRegistration | BrokenRegistration | undefined): boolean {
  return found === undefined || ('isShadowed' in found && found.isShadowed === true)
}

export function describeFailure({ clientId, sessionId, reason, lastError }: OutcomeDetails): string {
  const why = lastError === undefined ? reason : `${reason} (${lastError})`
  return `failed: client ${clientId ?? '?'}, session ${sessionId}: ${why ?? 'no reason given'}`
}
