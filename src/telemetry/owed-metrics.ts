import type { Backlog } from '../delivery/backlog.ts'
import type { DeliveryCore } from '../delivery/delivery-core.ts'
import type { Clock } from '../lib/clock.ts'
import type { Metrics } from './metrics.ts'

export interface OwedState {
  readonly backlog: Backlog
  readonly clock: Clock
  readonly core: DeliveryCore
  /** Time limit of a delivery. Milliseconds. */
  readonly deadlineMs: number
}

/** One RP, or all that have no label of their own. */
interface Owed {
  parked: number
  oldestAgeSeconds?: number
  /** For how long it has not been sent to; missing while it is. */
  breakerOpenSeconds?: number
}

/** Of the RPs with a backlog, those that are due first. */
const RPS_MAX = 500
/** Of them, those whose oldest delivery is looked for, beside those with a label. */
const TIMED_MAX = 100

/** Gauges of what is owed and why it is not delivered, by RP. */
export function exportOwed(metrics: Metrics, { backlog, clock, core, deadlineMs }: OwedState): void {
  const labels = metrics.clientFailures.clients
  /** A delivery is given its deadline when it is taken up, so the deadline tells its age. */
  const ageSeconds = (deadline: number): number =>
    Math.max((clock.now() - (deadline - deadlineMs)) / 1_000, 0)
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
    const breakers = [...core.relyingParties].filter(({ breaker }) => !breaker.isClosed)
    const amounts = new Map<string, number>()
    const add = (clientId: string, amount: number) =>
      amounts.set(clientId, (amounts.get(clientId) ?? 0) + amount)
    for (const { clientId, size } of backlogs) if (size > 0) add(clientId, size)
    for (const { clientId } of breakers) add(clientId, 1)
    labels.owed(amounts)
    const owed = new Map<string, Owed>()
    const of = (clientId: string): Owed => {
      const label = labels.of(clientId)
      const known = owed.get(label) ?? { parked: 0 }
      owed.set(label, known)
      return known
    }
    for (const { clientId, size, deadline } of backlogs) {
      const it = of(clientId)
      it.parked += size
      if (deadline !== undefined)
        it.oldestAgeSeconds = Math.max(it.oldestAgeSeconds ?? 0, ageSeconds(deadline))
    }
    for (const { clientId, breaker } of breakers) {
      const it = of(clientId)
      it.breakerOpenSeconds = Math.max(
        it.breakerOpenSeconds ?? 0,
        (clock.now() - breaker.openSinceMs) / 1_000,
      )
    }
    return owed
  }

  async function readBacklogs() {
    const sizes = (await backlog.sizes(RPS_MAX)).map(({ rpKey, size }) => {
      return { rpKey, size, clientId: rpKey.slice(rpKey.indexOf('|') + 1) }
    })
    const timed = sizes
      .filter(({ clientId }, i) => i < TIMED_MAX || labels.of(clientId) === clientId)
      .map(({ rpKey }) => rpKey)
    const found = await backlog.earliestDeadlines(timed)
    const deadlines = new Map(timed.map((rpKey, i) => [rpKey, found[i]]))
    return sizes.map((it) => ({ ...it, deadline: deadlines.get(it.rpKey) }))
  }

  /** A gauge with a value for each label that has one. */
  const byClient = (name: string, help: string, valueIn: (owed: Owed) => number | undefined) =>
    metrics.labelledGauge(name, help, ['client_id'], async () =>
      [...(await look())].flatMap(([label, owed]) => {
        const value = valueIn(owed)
        return value === undefined ? [] : { labels: { client_id: label }, value }
      }),
    )

  metrics.gauge('delivery_deadline_seconds', 'Time limit of a delivery.', () => deadlineMs / 1_000)
  byClient('backlog_deliveries', 'Parked deliveries by RP.', ({ parked }) => parked || undefined)
  byClient(
    'backlog_oldest_age_seconds',
    'Age of the oldest parked delivery of an RP.',
    ({ oldestAgeSeconds }) => oldestAgeSeconds,
  )
  metrics.labelledGauge(
    'oldest_delivery_age_seconds',
    'Age of the oldest owed delivery, parked or in memory; 0 when none is owed.',
    [],
    async () => {
      const held = core.open.earliestDeadline()
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
