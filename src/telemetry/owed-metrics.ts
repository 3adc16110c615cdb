import type { Backlog } from '../delivery/backlog.ts'
import type { DeliveryCore } from '../delivery/delivery-core.ts'
import { isStopped, issuerOf } from '../delivery/relying-party.ts'
import type { Clock } from '../lib/clock.ts'
import { putOffDeadline } from '../registry/client-history.ts'
import { clientLabels } from './client-failures.ts'
import type { Metrics } from './metrics.ts'

export interface OwedState {
  readonly backlog: Backlog
  readonly clock: Clock
  readonly core: DeliveryCore
  /** Time limit of a delivery, of issuers that have no other. Milliseconds. */
  readonly deadlineMs: number
  readonly issuers: { get(issuer: string): { readonly deadlineMs: number } | undefined }
}

/** One RP, or all that have no label of their own. */
interface Owed {
  parked: number
  oldestAgeSeconds?: number
  /** The part of its deadline that the delivery which is nearest to it has used; more than 1 when that has passed. */
  deadlineUsed?: number
  /** For how long it has not been sent to; missing while it is. */
  breakerOpenSeconds?: number
}

/** Of the RPs with a backlog, those that are due first. */
const RPS_MAX = 500
/** Of them, those whose oldest delivery is looked for, beside those with a label. */
const TIMED_MAX = 100

/** Gauges of what is owed and why it is not delivered, by RP. */
export function exportOwed(metrics: Metrics, { backlog, clock, core, deadlineMs, issuers }: OwedState): void {
  const labels = metrics.clientFailures.clients
  /** A delivery is given its deadline when it is taken up, so the deadline tells its age. */
  const timeMs = (issuer: string): number => issuers.get(issuer)?.deadlineMs ?? deadlineMs
  const sinceMs = (issuer: string, deadline: number): number => deadline - timeMs(issuer)
  const ageSeconds = (since: number): number => Math.max((clock.now() - since) / 1_000, 0)
  let looking: Promise<ReadonlyMap<string, Owed>> | undefined

  /** By label. The gauges are read together, and share one look. */
  function look(): Promise<ReadonlyMap<string, Owed>> {
    looking ??= read().finally(() => {
      looking = undefined
    })
    return looking
  }

  async function read(): Promise<ReadonlyMap<string, Owed>> {
    // A Redis that is away has alarms of its own.
    const backlogs = await readBacklogs().catch(() => [])
    // Of what is paused or retired nobody waits for an answer: nothing is sent there.
    const breakers = [...core.relyingParties].filter((rp) => !rp.breaker.isClosed && !isStopped({ rp }))
    const amounts = new Map<string, number>()
    const add = (rpKey: string, amount: number) => amounts.set(rpKey, (amounts.get(rpKey) ?? 0) + amount)
    for (const { rpKey, size } of backlogs) if (size > 0) add(rpKey, size)
    for (const { key } of breakers) add(key, 1)
    labels.owed(amounts)
    const owed = new Map<string, Owed>()
    const of = (rpKey: string): Owed => {
      const label = labels.of(rpKey)
      const known = owed.get(label) ?? { parked: 0 }
      owed.set(label, known)
      return known
    }
    for (const { rpKey, size, deadline } of backlogs) {
      const it = of(rpKey)
      it.parked += size
      const state = core.relyingParties.stateOf(rpKey)
      // Nobody waits for what is paused, and a pause made nothing older.
      if (deadline === undefined || state?.kind === 'paused') continue
      const issuer = issuerOf(rpKey)
      const putOffMs = putOffDeadline(state?.pauses ?? [], deadline, deadline - sinceMs(issuer, deadline))
      const age = ageSeconds(sinceMs(issuer, putOffMs))
      it.oldestAgeSeconds = Math.max(it.oldestAgeSeconds ?? 0, age)
      it.deadlineUsed = Math.max(it.deadlineUsed ?? 0, (age * 1_000) / timeMs(issuer))
    }
    for (const { key, breaker } of breakers) {
      const it = of(key)
      it.breakerOpenSeconds = Math.max(
        it.breakerOpenSeconds ?? 0,
        (clock.now() - breaker.openSinceMs) / 1_000,
      )
    }
    return owed
  }

  async function readBacklogs() {
    const sizes = await backlog.sizes(RPS_MAX)
    const timed = sizes
      .filter(({ rpKey }, i) => i < TIMED_MAX || labels.of(rpKey) === rpKey)
      .map(({ rpKey }) => rpKey)
    const found = await backlog.earliestDeadlines(timed)
    const deadlines = new Map(timed.map((rpKey, i) => [rpKey, found[i]]))
    return sizes.map((it) => ({ ...it, deadline: deadlines.get(it.rpKey) }))
  }

  /** A gauge with a value for each label that has one. */
  const byClient = (name: string, help: string, valueIn: (owed: Owed) => number | undefined) =>
    metrics.labelledGauge(name, help, ['issuer', 'client_id'], async () =>
      [...(await look())].flatMap(([label, owed]) => {
        const value = valueIn(owed)
        return value === undefined ? [] : { labels: clientLabels(label), value }
      }),
    )

  byClient('backlog_deliveries', 'Parked deliveries by RP.', ({ parked }) => parked || undefined)
  byClient(
    'backlog_oldest_age_seconds',
    'Age of the oldest parked delivery of an RP.',
    ({ oldestAgeSeconds }) => oldestAgeSeconds,
  )
  byClient(
    'backlog_deadline_used_ratio',
    'How much of its deadline the oldest parked delivery of an RP has used; at 1 it fails.',
    ({ deadlineUsed }) => deadlineUsed,
  )
  metrics.labelledGauge(
    'oldest_delivery_age_seconds',
    'Age of the oldest owed delivery, parked or in memory; 0 when none is owed.',
    [],
    async () => {
      const held = core.open.oldestSinceMs(sinceMs)
      const ages = [...(await look()).values()].map(({ oldestAgeSeconds }) => oldestAgeSeconds ?? 0)
      return [{ labels: {}, value: Math.max(0, held === undefined ? 0 : ageSeconds(held), ...ages) }]
    },
  )
  byClient('breaker_open', '1 while the breaker of an RP is open.', ({ breakerOpenSeconds }) =>
    breakerOpenSeconds === undefined ? undefined : 1,
  )
  byClient(
    'breaker_open_seconds',
    'How long the breaker of an RP has been open.',
    ({ breakerOpenSeconds }) => breakerOpenSeconds,
  )
}
