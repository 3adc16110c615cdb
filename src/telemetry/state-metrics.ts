import type { Backlog } from '../delivery/backlog.ts'
import type { DeliveryCore } from '../delivery/delivery-core.ts'
import type { Assignment } from '../intake/assignment.ts'
import type { Metrics } from './metrics.ts'

export interface ExportedState {
  readonly assignment: Assignment
  readonly backlog: Backlog
  readonly core: DeliveryCore
  readonly isReady: () => boolean
}

/** Labels by RP are bounded; beyond that only the RPs that are due first are shown. */
const BACKLOG_RPS_MAX = 100
const BREAKERS_MAX = 100

/** Gauges that show how things stand when they are scraped. */
export function exportState(metrics: Metrics, { assignment, backlog, core, isReady }: ExportedState): void {
  metrics.gauge('ready', '1 when the relay consumes and can deliver.', () => (isReady() ? 1 : 0))
  metrics.gauge('attempts_in_flight', 'Attempts under way.', () => core.dispatcher.inFlight)
  metrics.gauge('deliveries_waiting', 'Deliveries that wait for their turn.', () => core.dispatcher.waiting)
  metrics.gauge('deliveries_unsettled', 'Deliveries held in memory.', () => core.open.size)
  metrics.gauge('outcomes_pending', 'Outcomes not yet published and removed.', () => core.settlement.size)
  metrics.labelledGauge('breaker_open', '1 for an RP that is not sent to.', ['client_id'], async () => {
    const open = [...core.relyingParties].filter(({ breaker }) => !breaker.isClosed)
    return open.slice(0, BREAKERS_MAX).map(({ clientId }) => ({ labels: { client_id: clientId }, value: 1 }))
  })
  metrics.labelledGauge(
    'consumer_lag_records',
    'Records between the settled offset and the end of the partition when it was read last.',
    ['topic', 'partition'],
    async () =>
      [...assignment.lanes].map(({ topic, partition, endOffset, tracker }) => ({
        labels: { topic, partition: String(partition) },
        value: Math.max(endOffset - tracker.committable, 0),
      })),
  )
  metrics.labelledGauge('backlog_deliveries', 'Parked deliveries by RP.', ['client_id'], async () => {
    const sizes = await backlog.sizes(BACKLOG_RPS_MAX).catch(() => [])
    return sizes.map(({ rpKey, size }) => ({
      labels: { client_id: rpKey.slice(rpKey.indexOf('|') + 1) },
      value: size,
    }))
  })
}
