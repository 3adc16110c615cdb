import type { Config } from '../config/env.ts'
import type { Backlog } from '../delivery/backlog.ts'
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
  readonly config: Config
  readonly events: RelayEvents
  readonly issuers: Issuers
}

/** Every gauge of the service, with what looks up those that nothing else needs. Returns what the caller starts. */
export function exportMetrics(metrics: Metrics, sources: MetricSources): KeyPublication {
  const { backlog, clock, config, core, events, issuers } = sources
  const publication = new KeyPublication({
    issuer: config.ISSUER,
    intervalMs: config.SIGNING_KEYS_PUBLISHED_CHECK_MS,
    keys: () => issuers.keysInUse(),
    fetchJson: (uri) => fetchJson(uri, config.ATTEMPT_TIMEOUT_MS),
    onUnknown: (error, failures) => events.publicationUnknown(error, failures),
  })
  exportOwed(metrics, { backlog, clock, core, deadlineMs: config.RETRY_DEADLINE_MS })
  exportState(metrics, { ...sources, publication })
  return publication
}
