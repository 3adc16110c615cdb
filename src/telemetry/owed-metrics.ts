import type { Backlog } from '../delivery/backlog.ts'
import type { DeliveryCore } from '../delivery/delivery-core.ts'
import type { Clock } from '../lib/clock.ts'
import { CLIENT_LABELS_MAX, type Metrics } from './metrics.ts'

export interface OwedState {
  readonly backlog: Backlog
  readonly clock: Clock
  readonly core: DeliveryCore
  /** How long a delivery may be tried. Milliseconds. */
  readonly deadlineMs: number
}

interface RpBacklog {
  readonly clientId: string
  readonly size: number
  readonly oldestAgeSeconds: number | undefined
}

/** Gauges of what is owed and why it is not delivered, by RP; only so many RPs, those that are due first. */
export function exportOwed(metrics: Metrics, { backlog, clock, core, deadlineMs }: OwedState): void {
  /** A delivery is given its deadline when it is taken up, so the deadline tells its age. */
  const ageSeconds = (deadline: number): number =>
    Math.max((clock.now() - (deadline - deadlineMs)) / 1_000, 0)
  let looking: Promise<readonly RpBacklog[]> | undefined

  /** The gauges are read together, and share one look. A Redis that is away has alarms of its own. */
  function look(): Promise<readonly RpBacklog[]> {
    looking ??= read()
      .catch(() => [])
      .finally(() => {
        looking = undefined
      })
    return looking
  }

  async function read(): Promise<readonly RpBacklog[]> {
    const sizes = await backlog.sizes(CLIENT_LABELS_MAX)
    const deadlines = await backlog.earliestDeadlines(sizes.map(({ rpKey }) => rpKey))
    return sizes.map(({ rpKey, size }, i) => {
      const deadline = deadlines[i]
      return {
        clientId: rpKey.slice(rpKey.indexOf('|') + 1),
        size,
        oldestAgeSeconds: deadline === undefined ? undefined : ageSeconds(deadline),
      }
    })
  }

  metrics.gauge('delivery_deadline_seconds', 'How long a delivery may be tried.', () => deadlineMs / 1_000)
  metrics.labelledGauge('backlog_deliveries', 'Parked deliveries by RP.', ['client_id'], async () =>
    (await look()).map(({ clientId, size }) => ({ labels: { client_id: clientId }, value: size })),
  )
  metrics.labelledGauge(
    'backlog_oldest_age_seconds',
    'Since the oldest parked delivery of an RP was taken up.',
    ['client_id'],
    async () =>
      (await look()).flatMap(({ clientId, oldestAgeSeconds }) =>
        oldestAgeSeconds === undefined ? [] : { labels: { client_id: clientId }, value: oldestAgeSeconds },
      ),
  )
  metrics.labelledGauge(
    'oldest_delivery_age_seconds',
    'Since the oldest delivery that is still owed was taken up, parked or in memory; 0 when none is owed.',
    [],
    async () => {
      const held = core.open.earliestDeadline()
      const ages = (await look()).map(({ oldestAgeSeconds }) => oldestAgeSeconds ?? 0)
      return [{ labels: {}, value: Math.max(0, held === undefined ? 0 : ageSeconds(held), ...ages) }]
    },
  )
  const openBreakers = () =>
    [...core.relyingParties].filter(({ breaker }) => !breaker.isClosed).slice(0, CLIENT_LABELS_MAX)
  metrics.labelledGauge('breaker_open', '1 for an RP that is not sent to.', ['client_id'], async () =>
    openBreakers().map(({ clientId }) => ({ labels: { client_id: clientId }, value: 1 })),
  )
  metrics.labelledGauge(
    'breaker_open_seconds',
    'For how long an RP has not been sent to, but for probes.',
    ['client_id'],
    async () =>
      openBreakers().map(({ clientId, breaker }) => ({
        labels: { client_id: clientId },
        value: (clock.now() - breaker.openSinceMs) / 1_000,
      })),
  )
}
