import type { Backlog } from '../delivery/backlog.ts'
import type { DeliveryOptions } from '../delivery/delivery-core.ts'
import { fetchJson } from '../egress/fetch-json.ts'
import type { Issuers } from '../issuers/issuers.ts'
import { KeyPublication } from '../issuers/key-publication.ts'
import type { Clock } from '../lib/clock.ts'
import type { Metrics } from './metrics.ts'
import { exportOwed } from './owed-metrics.ts'
import type { RelayEvents } from './relay-events.ts'
import { type ExportedState, exportState } from './state-metrics.ts'

export interface MetricSources extends Omit<ExportedState, 'publication'> {
  readonly backlog: Backlog
  readonly clock: Clock
  readonly delivery: Pick<DeliveryOptions, 'attemptTimeoutMs' | 'retry'>
  readonly events: RelayEvents
  readonly issuers: Issuers
  /** How often the issuer's JWK set is looked at; 0: never. Milliseconds. */
  readonly publishedCheckMs: number
}

/** Every gauge of the service, with what looks up those that nothing else needs. Returns what the caller starts. */
export function exportMetrics(metrics: Metrics, sources: MetricSources): KeyPublication {
  const { backlog, clock, core, delivery, events, issuers } = sources
  const publication = new KeyPublication({
    issuers: () => issuers.known(),
    intervalMs: sources.publishedCheckMs,
    fetchJson: (uri) => fetchJson(uri, delivery.attemptTimeoutMs),
    onUnknown: (issuer, error, failures) => events.publicationUnknown(issuer, error, failures),
  })
  exportOwed(metrics, { backlog, clock, core, deadlineMs: delivery.retry.deadlineMs, issuers })
  exportState(metrics, { ...sources, publication })
  return publication
}
