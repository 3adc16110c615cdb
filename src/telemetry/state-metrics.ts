import type { Checkup } from '../checks/checkup.ts'
import type { Backlog } from '../delivery/backlog.ts'
import type { DeliveryCore } from '../delivery/delivery-core.ts'
import type { Assignment } from '../intake/assignment.ts'
import type { RebuildProgress } from '../recovery/rebuild.ts'
import type { EpochGuard } from '../registry/epoch-guard.ts'
import type { Metrics } from './metrics.ts'

export interface ExportedState {
  readonly assignment: Assignment
  readonly backlog: Backlog
  readonly checkup: Checkup
  readonly core: DeliveryCore
  readonly guard: EpochGuard
  readonly isReady: () => boolean
  /** The last progress of a rebuild. */
  readonly rebuilding: () => RebuildProgress | undefined
}

/** Labels by RP are bounded; beyond that only the RPs that are due first are shown. */
const BACKLOG_RPS_MAX = 100
const BREAKERS_MAX = 100

/** Gauges that show how things stand when they are scraped. */
export function exportState(
  metrics: Metrics,
  { assignment, backlog, checkup, core, guard, isReady, rebuilding }: ExportedState,
): void {
  metrics.gauge('ready', '1 when the relay consumes and can deliver.', () => (isReady() ? 1 : 0))
  metrics.gauge('attempts_in_flight', 'Attempts under way.', () => core.dispatcher.inFlight)
  metrics.gauge('deliveries_waiting', 'Deliveries that wait for their turn.', () => core.dispatcher.waiting)
  metrics.gauge('deliveries_unsettled', 'Deliveries held in memory.', () => core.open.size)
  metrics.gauge('outcomes_pending', 'Outcomes not yet published and removed.', () => core.settlement.size)
  metrics.gauge('registry_intact', '0 while the registry is lost or being built from the log.', () =>
    guard.isIntact ? 1 : 0,
  )
  metrics.gauge('rebuild_records', 'Records read so far in the phase of a rebuild that is under way.', () =>
    guard.isIntact ? 0 : (rebuilding()?.records ?? 0),
  )
  metrics.gauge('rebuild_records_expected', 'Records that this phase has to read.', () =>
    guard.isIntact ? 0 : (rebuilding()?.recordsTotal ?? 0),
  )
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
  metrics.labelledGauge(
    'check_findings',
    'What the checks of Redis and the topics have found.',
    ['check', 'severity'],
    async () => {
      const counts = new Map<string, { labels: { check: string; severity: string }; value: number }>()
      for (const { check, severity } of checkup.findings) {
        const name = `${check} ${severity}`
        const value = (counts.get(name)?.value ?? 0) + 1
        counts.set(name, { labels: { check, severity }, value })
      }
      return counts.values()
    },
  )
  metrics.labelledGauge('backlog_deliveries', 'Parked deliveries by RP.', ['client_id'], async () => {
    const sizes = await backlog.sizes(BACKLOG_RPS_MAX).catch(() => [])
    return sizes.map(({ rpKey, size }) => ({
      labels: { client_id: rpKey.slice(rpKey.indexOf('|') + 1) },
      value: size,
    }))
  })
}
