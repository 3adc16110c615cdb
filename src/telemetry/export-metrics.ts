import type { Backlog } from '../delivery/backlog.ts'
import type { DeliveryOptions } from '../delivery/delivery-core.ts'
import type { Issuers } from '../issuers/issuers.ts'
import type { Clock } from '../lib/clock.ts'
import type { Metrics } from './metrics.ts'
import { exportOwed } from './owed-metrics.ts'
import { type ExportedState, exportState } from './state-metrics.ts'

export interface MetricSources extends ExportedState {
  readonly backlog: Backlog
  readonly clock: Clock
  readonly delivery: Pick<DeliveryOptions, 'retry'>
  readonly issuers: Issuers
}

/** Every gauge of the service. */
export function exportMetrics(metrics: Metrics, sources: MetricSources): void {
  const { backlog, clock, core, delivery, issuers } = sources
  exportOwed(metrics, { backlog, clock, core, deadlineMs: delivery.retry.deadlineMs, issuers })
  exportState(metrics, sources)
}
