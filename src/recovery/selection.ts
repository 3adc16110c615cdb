import { firstAttemptEndMs } from '../delivery/backlog.ts'
import type { OutcomeDetails } from '../events/read-outcome-details.ts'
import type { Registration } from '../events/registration.ts'
import type { LogReader } from '../intake/log-reader.ts'
import type { Clock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import { codeOf } from '../lib/errors.ts'
import type { RateLimit } from '../lib/rate-limit.ts'
import type { BrokenRegistration, Registry } from '../registry/registry.ts'
import type { FollowOutcomes } from './follow-outcomes.ts'
import type { NotParked, OwedByCause, ParkOwed } from './park-owed.ts'
import type { Patience } from './patience.ts'
import type { RecoveryRegistry } from './recovery-registry.ts'
import type { ReplayBook } from './replay-book.ts'

export interface SelectionOptions {
  /** Of a first attempt. Milliseconds. */
  readonly attemptTimeoutMs: number
  readonly book: ReplayBook
  readonly clock: Clock
  /** From now on, also for a trigger of long ago, whose own deadline is over. Milliseconds. */
  readonly deadlineMs: number
  readonly follow: FollowOutcomes
  readonly groupId: string
  /** Nothing can be parked for that RP. */
  readonly onNotParked: (registration: NotParked['registration']) => void
  /** No relay delivers what is parked. */
  readonly onUnserved: () => void
  readonly parkOwed: ParkOwed
  readonly patience: Patience
  readonly rate: RateLimit | undefined
  readonly reader: Pick<LogReader, 'hasMembers'>
  readonly recovery: Pick<RecoveryRegistry, 'reopen'>
  readonly registry: Pick<Registry, 'areSettled' | 'find'>
}

/** What was selected: its deadline is its ending's, if that has one. */
export interface Selected extends Omit<OwedByCause, 'deadlineMs' | 'dueMs'> {
  readonly deadlineMs?: number
  /** A relay may have the first attempt in hand, and what it has in hand is not parked. */
  readonly mayBeUnderWay?: boolean
}

const LOOK_MS = 500
const MEMBERS_LOOK_MS = 10_000
/** What expires is found a moment later. */
const OVERTIME_MS = 10_000
/** Deliveries without an outcome that are looked up in the registry at a time. */
const LOOKED_UP_MAX = 1_000

/** What `replay` and `reconcile` have selected: parked for the relays, and followed by the outcomes on the log. */
export class Selection {
  readonly #options: SelectionOptions
  #lookedAtMs = Number.NEGATIVE_INFINITY

  constructor(options: SelectionOptions) {
    this.#options = options
  }

  /** Resolves when everything is parked, or patience ends, in which case the rest stays as it was. */
  async take(selected: readonly Selected[]): Promise<void> {
    await this.#take(selected, async (groups) => groups)
  }

  /** The same for what has failed, whose registrations are gone. */
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
   * Resolves when every delivery has its outcome; or `waitMs` have passed, by default a deadline; or patience ends. By
   * default it waits for no longer than there are relays.
   */
  async settle(waitMs: number | undefined): Promise<void> {
    const { attemptTimeoutMs, book, clock, deadlineMs, onUnserved, patience } = this.#options
    const untilMs = clock.monotonic() + (waitMs ?? deadlineMs + attemptTimeoutMs + OVERTIME_MS)
    let isTold = false
    let looksWithout = 0
    let membersAtMs = Number.NEGATIVE_INFINITY
    await this.#look()
    while (book.counts.parked > 0 && !patience.signal.aborted) {
      if (clock.monotonic() - membersAtMs >= MEMBERS_LOOK_MS) {
        // One that is started again is away for a moment.
        looksWithout = (await this.#isServed()) ? 0 : looksWithout + 1
        const isUnserved = looksWithout > (Number.isFinite(membersAtMs) ? 1 : 0)
        membersAtMs = clock.monotonic()
        if (isUnserved && !isTold) onUnserved()
        isTold ||= isUnserved
        if (isUnserved && waitMs === undefined) return
      }
      if (clock.monotonic() >= untilMs) return
      await delay(Math.min(LOOK_MS, untilMs - clock.monotonic()), patience.signal)
      const before = book.counts.parked
      await this.#look()
      if (book.counts.parked === before) await this.#forgetSettled()
    }
  }

  async #take(
    selected: readonly Selected[],
    prepare: (groups: readonly OwedByCause[]) => Promise<readonly OwedByCause[]>,
  ): Promise<void> {
    const { book, onNotParked, parkOwed, patience, rate } = this.#options
    const groups = selected.map((it) => this.#fresh(it))
    const all = groups.flatMap(({ registrations, broken }) => [...registrations, ...broken])
    if (all.length === 0) return
    await rate?.take(all.length, patience.signal)
    const refused = await patience.repeat('Redis', async () => parkOwed.park(await prepare(groups)))
    if (refused === undefined) return
    const notParked = new Set<Registration | BrokenRegistration>(refused.map((it) => it.registration))
    for (const it of all) {
      if (notParked.has(it)) onNotParked(it)
      else book.park(it)
    }
    if (this.#options.clock.monotonic() - this.#lookedAtMs >= LOOK_MS) await this.#look()
  }

  /**
   * Without what another trigger has brought up already. The deadline is the relays' own, so that there is one delivery, as
   * long as it leaves time for an attempt.
   */
  #fresh({ cause, registrations, broken, deadlineMs: own = 0, mayBeUnderWay }: Selected): OwedByCause {
    const { attemptTimeoutMs, book, clock, deadlineMs } = this.#options
    const now = clock.now()
    const dueMs = mayBeUnderWay === true ? firstAttemptEndMs(now, attemptTimeoutMs) : now
    return {
      cause,
      dueMs,
      registrations: registrations.filter((it) => book.begin(it)),
      broken: broken.filter((it) => book.begin(it)),
      deadlineMs: own > dueMs ? own : dueMs + deadlineMs,
    }
  }

  async #isServed(): Promise<boolean> {
    const { groupId, reader } = this.#options
    return reader.hasMembers(groupId)
  }

  async #look(): Promise<void> {
    const { clock, follow, patience } = this.#options
    await follow.look(patience.signal).catch((error: unknown) => {
      if (!patience.signal.aborted) throw error
    })
    this.#lookedAtMs = clock.monotonic()
  }

  /** A relay may have published an outcome just before this process began to read them, and removed the registration since. */
  async #forgetSettled(): Promise<void> {
    const { book, patience, registry } = this.#options
    const page = book.nextParked(LOOKED_UP_MAX)
    const look = async () => {
      const [found, areSettled] = [await registry.find(page), await registry.areSettled(page)]
      return page.filter((_, i) => found[i] === undefined && areSettled[i])
    }
    const gone = await patience.repeat('Redis', look).catch((error: unknown) => {
      // The relays complete it, and then go on with what is owed.
      if (codeOf(error) !== 'LR_REGISTRY_LOST') throw error
      return []
    })
    if (gone === undefined || gone.length === 0) return
    // Its outcome was published before that, and may have come since the last look.
    await this.#look()
    for (const it of gone) book.forget(it)
  }
}

/** For people. */
export function describeFailure({ clientId, sessionId, reason, lastError }: OutcomeDetails): string {
  const why = lastError === undefined ? reason : `${reason} (${lastError})`
  return `failed: client ${clientId ?? '?'}, session ${sessionId}: ${why ?? 'no reason given'}`
}
