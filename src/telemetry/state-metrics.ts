import type { DeliveryCore } from '../delivery/delivery-core.ts'
import type { Checkup } from '../diagnosis/checkup.ts'
import type { RuleUse } from '../diagnosis/facts.ts'
import type { IssuerLooks } from '../diagnosis/issuer-looks.ts'
import type { Assignment } from '../intake/assignment.ts'
import type { ConsumerLag } from '../intake/consumer-lag.ts'
import type { RebuildProgress } from '../recovery/missing-from-log.ts'
import type { EpochGuard } from '../registry/epoch-guard.ts'
import type { Metrics } from './metrics.ts'

/** A mapping file may have thousands. */
const RULES_SHOWN_MAX = 200

export interface ExportedState {
  readonly assignment: Assignment
  readonly checkup: Checkup
  readonly core: DeliveryCore
  readonly guard: EpochGuard
  readonly isReady: () => boolean
  readonly issuerLooks: IssuerLooks
  readonly lag: ConsumerLag
  /** What the rules of the mapping file took. */
  readonly rules: () => readonly RuleUse[]
  /** The last progress of a rebuild. */
  readonly rebuilding: () => RebuildProgress | undefined
}

/** Gauges that show how things stand when they are scraped. */
export function exportState(
  metrics: Metrics,
  { assignment, checkup, core, guard, isReady, issuerLooks, lag, rebuilding, rules }: ExportedState,
): void {
  metrics.gauge('ready', '1 when the relay consumes and can deliver.', () => (isReady() ? 1 : 0))
  metrics.gauge('attempts_in_flight', 'Attempts in flight.', () => core.dispatcher.inFlight)
  metrics.gauge('deliveries_waiting', 'Deliveries that wait for an attempt.', () => core.dispatcher.waiting)
  metrics.gauge('deliveries_unsettled', 'Deliveries held in memory.', () => core.open.size)
  metrics.gauge(
    'outcomes_pending',
    'Outcomes that are not yet published and removed.',
    () => core.settlement.size,
  )
  metrics.gauge('registry_intact', '0 while the registry is lost or being rebuilt from the topic.', () =>
    guard.isIntact ? 1 : 0,
  )
  metrics.gauge('rebuild_records', 'Records read so far in the current phase of a rebuild.', () =>
    guard.isIntact ? 0 : (rebuilding()?.records ?? 0),
  )
  metrics.gauge('rebuild_records_expected', 'Records to read in this phase.', () =>
    guard.isIntact ? 0 : (rebuilding()?.recordsTotal ?? 0),
  )
  metrics.labelledGauge(
    'consumer_lag_records',
    'Records between the settled offset and the end of the partition.',
    ['topic', 'partition'],
    async () => {
      await lag.refresh()
      return [...assignment.queues].map((queue) => ({
        labels: { topic: queue.topic, partition: String(queue.partition) },
        value: lag.of(queue) ?? 0,
      }))
    },
  )
  metrics.labelledCounter(
    'mapped_records_total',
    'Records of other formats, by the rule that took them; those without a rule were skipped.',
    ['mapping', 'rule'],
    () =>
      rules().map(({ mapping, rule = '', records }, i) => ({
        labels:
          i < RULES_SHOWN_MAX ? { mapping, rule } : { mapping: 'other', rule: rule === '' ? '' : 'other' },
        value: records,
      })),
  )
  metrics.labelledGauge('check_findings', 'Findings of the checks.', ['check', 'severity'], async () => {
    const counts = new Map<string, { labels: { check: string; severity: string }; value: number }>()
    for (const { check, severity } of checkup.findings) {
      const name = `${check} ${severity}`
      const value = (counts.get(name)?.value ?? 0) + 1
      counts.set(name, { labels: { check, severity }, value })
    }
    return counts.values()
  })
  metrics.labelledGauge(
    'signing_key_published',
    "1 for a key that the issuer's JWK set holds, 0 for one that it does not; absent while that is not known.",
    ['issuer', 'kid', 'signs'],
    async () =>
      issuerLooks.publications().map(({ issuer, kid, signs, isPublished }) => ({
        labels: { issuer, kid, signs },
        value: isPublished ? 1 : 0,
      })),
  )
}
