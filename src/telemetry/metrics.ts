import { Gauge, Registry } from 'prom-client'
import type { ParkReason } from '../delivery/delivery-events.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import { knownTypes } from '../events/decoding/known-types.ts'
import { failureReasons } from '../events/outcome.ts'
import type { PassedPosition } from '../intake/log-edges.ts'
import type { Verdict } from '../transports/transport.ts'
import { BoundedTallies } from './bounded-tallies.ts'
import { exportProcess } from './process-metrics.ts'
import { type MetricName, shownLabels, TalliedCounter } from './tallied-counter.ts'
import { TalliedHistogram } from './tallied-histogram.ts'

const ATTEMPT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const TRIGGER_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600, 3_600]
const PUBLISH_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30]

/** RPs with a label of their own at one time, in every metric that has one by RP. */
const CLIENT_LABELS_MAX = 100

type SkipReason = Extract<DecodeResult, { kind: 'skipped' }>['reason']

const verdicts: readonly Verdict[] = ['sent', 'doubtful', 'retry', 'rejected', 'blocked', 'local']
const skipReasons: readonly SkipReason[] = ['outcome', 'unknown-type', 'empty']
const passReasons: readonly PassedPosition['why'][] = [
  'retention',
  'recreated',
  'shortened',
  'forgotten',
  'lacked',
]
const parkReasons: readonly ParkReason[] = ['no-room', 'breaker-open', 'draining']
/** Those that are known beforehand. */
const faultParts = [
  ...['redis', 'rebuild', 'signing-keys', 'checks-redis', 'checks-topics', 'kafka-topics', 'kafka-publish'],
  ...['kafka-dead-letter', 'kafka-commit', 'kafka-commit-failed', 'kafka-crashed', 'kafka-start-failed'],
  'kafka-stalled',
]
const poisonTypes = [...knownTypes, 'unknown'] as const

/**
 * Everything that is counted. Labels are bounded: types, results, reasons; a client id only where the number of RPs
 * shown is bounded. Never a subject or a session. What can be named beforehand is shown as 0 from the start, or the
 * first one would not count as an increase.
 */
export class Metrics {
  readonly registry = new Registry()

  readonly triggers = new TalliedCounter(this.#named('triggers_total', 'Triggers and registrations read.'), [
    'type',
    'result',
  ])
  readonly skippedRecords = new TalliedCounter(
    this.#named('records_skipped_total', 'Records of other types, ignored.'),
    ['reason'],
  )
  readonly poison = new TalliedCounter(this.#named('dead_letters_total', 'Poison records.'), ['type'])
  readonly deliveries = new TalliedCounter(this.#named('deliveries_total', 'Deliveries that ended.'), [
    'outcome',
    'reason',
  ])
  readonly clientFailures = new TalliedCounter(
    this.#named('delivery_failures_total', 'Deliveries that failed for good, by RP.'),
    ['client_id'],
  )
  readonly attemptsMade = new TalliedCounter(this.#named('attempts_total', 'Delivery attempts.'), ['verdict'])
  readonly parkings = new TalliedCounter(this.#named('parked_total', 'Deliveries parked in the backlog.'), [
    'why',
  ])
  readonly faults = new TalliedCounter(
    this.#named('faults_total', 'Faults of Kafka, Redis or the keys, each retried.'),
    ['part'],
  )
  readonly passedPositions = new TalliedCounter(
    this.#named('positions_passed_total', 'Positions whose records the topic no longer holds.'),
    ['why'],
  )
  readonly attemptDuration = new TalliedHistogram(
    this.#named('attempt_duration_seconds', 'Duration of one attempt.'),
    ATTEMPT_BUCKETS,
  )
  readonly triggerToSent = new TalliedHistogram(
    this.#named('trigger_to_sent_seconds', 'Time from the trigger to the accepted logout.'),
    TRIGGER_BUCKETS,
  )
  readonly outcomePublish = new TalliedHistogram(
    this.#named(
      'outcome_publish_seconds',
      'Time from an outcome to its acknowledgement by Kafka; the oldest of each batch.',
    ),
    PUBLISH_BUCKETS,
  )

  readonly breakerOpenings = this.#plain(
    'breaker_openings_total',
    'Times that the breaker of an RP opened, or stayed open after a probe.',
  )
  readonly registryLosses = this.#plain(
    'registry_losses_total',
    'Times that Redis lost the registry while the relay ran.',
  )
  readonly fetchGaps = this.#plain(
    'fetch_gaps_total',
    'Batches that left a gap after the last one; the relay fetches the gap again.',
  )
  readonly missed = this.#plain(
    'records_missed_total',
    'Records that the topic dropped before they were read.',
  )
  readonly rebuilds = this.#plain(
    'rebuilds_total',
    'Times that this replica rebuilt the registry from the topic.',
  )

  readonly attempts = this.attemptsMade.tallies(verdicts, (verdict) => ({ verdict }))
  readonly skipped = this.skippedRecords.tallies(skipReasons, (reason) => ({ reason }))
  readonly parked = this.parkings.tallies(parkReasons, (why) => ({ why }))
  readonly deadLetters = this.poison.tallies(poisonTypes, (type) => ({ type }))
  readonly passed = this.passedPositions.tallies(passReasons, (why) => ({ why }))
  readonly sent = this.deliveries.tally({ outcome: 'sent', reason: '' })
  readonly failed = this.deliveries.tallies(failureReasons, (reason) => ({ outcome: 'failed', reason }))
  readonly failedAt = new BoundedTallies(this.clientFailures, CLIENT_LABELS_MAX)

  readonly #build = new Gauge({
    name: 'logout_relay_build_info',
    help: 'Always 1; the labels name the running build.',
    labelNames: ['version', 'node'],
    registers: [this.registry],
  })

  constructor() {
    this.faults.tallies(faultParts, (part) => ({ part }))
    exportProcess(this.registry)
  }

  showBuild(version: string): void {
    this.#build.set({ version, node: process.version }, 1)
  }

  /** A gauge that is read when it is scraped. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `logout_relay_${name}`,
      help,
      registers: [this.registry],
      collect() {
        this.set(read())
      },
    })
  }

  /** A gauge with labels that is read when it is scraped; label sets that are not reported any more disappear. */
  labelledGauge(
    name: string,
    help: string,
    labelNames: string[],
    read: () => Promise<Iterable<{ labels: Record<string, string>; value: number }>>,
  ): void {
    new Gauge({
      name: `logout_relay_${name}`,
      help,
      labelNames,
      registers: [this.registry],
      async collect() {
        const values = await read()
        this.reset()
        for (const { labels, value } of values) this.inc(shownLabels(labels), value)
      },
    })
  }

  #plain(name: string, help: string) {
    return new TalliedCounter(this.#named(name, help)).tally({})
  }

  #named(name: string, help: string): MetricName {
    return { registry: this.registry, name, help }
  }
}
