import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { ParkReason } from '../delivery/delivery-events.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import { knownTypes } from '../events/decoding/known-types.ts'
import { failureReasons, type Would } from '../events/outcome.ts'
import type { PassedPosition } from '../intake/log-edges.ts'
import { printable } from '../lib/printable.ts'
import type { Verdict } from '../transports/transport.ts'
import { ClientFailures } from './client-failures.ts'
import { TalliedHistogram } from './tallied-histogram.ts'

const ATTEMPT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const TRIGGER_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600, 3_600]
const PUBLISH_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30]

/** RPs with a label of their own at one time, in every metric that has one by RP. */
const CLIENT_LABELS_MAX = 100

type SkipReason = Extract<DecodeResult, { kind: 'skipped' }>['reason']

const verdicts: readonly Verdict[] = ['sent', 'doubtful', 'retry', 'rejected', 'blocked', 'local']
const skipReasons: readonly SkipReason[] = [
  'outcome',
  'dead-letter',
  'unknown-type',
  'empty',
  'snapshot',
  'unmapped',
]
/** What shadow mode may find out without a connection. */
const shadowedReasons: readonly Would[] = ['send', 'blocked', 'unreachable', 'unsigned', 'invalid', 'expired']
const passReasons: readonly PassedPosition['why'][] = [
  'retention',
  'recreated',
  'shortened',
  'forgotten',
  'lacked',
]
const parkReasons: readonly ParkReason[] = ['no-room', 'breaker-open', 'paused', 'draining']
/** Those that are known beforehand. */
const faultParts = [
  ...['redis', 'rebuild', 'signing-keys', 'checks-redis', 'checks-topics', 'kafka-topics', 'kafka-publish'],
  ...['kafka-webhooks', 'mapping-file', 'intake-file'],
  ...['kafka-dead-letter', 'kafka-commit', 'kafka-commit-failed', 'kafka-crashed', 'kafka-start-failed'],
  'kafka-stalled',
]
const poisonTypes = [...knownTypes, 'unknown'] as const

/** Gauges that end like counters, against Prometheus' rules; the same by type stands beside each of them. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/**
 * Everything that is counted. Labels are bounded: types, results, reasons; a client id only where the number of RPs
 * shown is bounded. Never a subject or a session. What can be named beforehand is shown as 0 from the start, or the
 * first one would not count as an increase.
 */
export class Metrics {
  readonly registry = new Registry()

  readonly triggers = this.#counter('triggers_total', 'Triggers and registrations read.', ['type', 'result'])
  readonly skipped = this.#counter('records_skipped_total', 'Records of other types, ignored.', ['reason'])
  readonly deadLetters = this.#counter('dead_letters_total', 'Poison records.', ['type'])
  readonly deliveries = this.#counter('deliveries_total', 'Deliveries that ended.', ['outcome', 'reason'])
  readonly clientFailures = new ClientFailures({
    ...this.#named('delivery_failures_total', 'Deliveries that failed for good, by RP.'),
    clientsMax: CLIENT_LABELS_MAX,
  })
  readonly attempts = this.#counter('attempts_total', 'Delivery attempts.', ['verdict'])
  readonly parked = this.#counter('parked_total', 'Deliveries parked in the backlog.', ['why'])
  readonly intakeRequests = this.#counter('intake_requests_total', 'Requests at the port for webhooks.', [
    'source',
    'result',
  ])
  readonly faults = this.#counter('faults_total', 'Faults of Kafka, Redis or the keys, each retried.', [
    'part',
  ])
  readonly passed = this.#counter(
    'positions_passed_total',
    'Positions whose records the topic no longer holds.',
    ['why'],
  )
  readonly attemptDuration = new TalliedHistogram({
    ...this.#named('attempt_duration_seconds', 'Duration of one attempt.'),
    buckets: ATTEMPT_BUCKETS,
  })
  readonly triggerToSent = new TalliedHistogram({
    ...this.#named('trigger_to_sent_seconds', 'Time from the trigger to the accepted logout.'),
    buckets: TRIGGER_BUCKETS,
  })
  readonly outcomePublish = new TalliedHistogram({
    ...this.#named(
      'outcome_publish_seconds',
      'Time from an outcome to its acknowledgement by Kafka; the oldest of each batch.',
    ),
    buckets: PUBLISH_BUCKETS,
  })

  readonly breakerOpenings = this.#counter(
    'breaker_openings_total',
    'Times that the breaker of an RP opened, or stayed open after a probe.',
  )
  readonly registryLosses = this.#counter(
    'registry_losses_total',
    'Times that Redis lost the registry while the relay ran.',
  )
  readonly fetchGaps = this.#counter(
    'fetch_gaps_total',
    'Batches that left a gap after the last one; the relay fetches the gap again.',
  )
  readonly missed = this.#counter(
    'records_missed_total',
    'Records that the topic dropped before they were read.',
  )
  readonly rebuilds = this.#counter(
    'rebuilds_total',
    'Times that this replica rebuilt the registry from the topic.',
  )

  readonly #build = new Gauge({
    ...this.#named('build_info', 'Always 1; the labels name the running build.'),
    labelNames: ['version', 'node'],
  })

  readonly #mode = new Gauge({
    ...this.#named('mode_info', 'Always 1; the label names the mode. In shadow mode nothing is sent.'),
    labelNames: ['mode'],
  })

  /** Lines of the log that were dropped; the log counts them. */
  logLinesDropped: () => number = () => 0

  constructor() {
    const dropped = () => this.logLinesDropped()
    new Counter({
      ...this.#named(
        'log_lines_dropped_total',
        'Lines of the log that were dropped because nobody read them.',
      ),
      collect() {
        this.reset()
        this.inc(dropped())
      },
    })
    for (const verdict of verdicts) this.attempts.inc({ verdict }, 0)
    for (const reason of skipReasons) this.skipped.inc({ reason }, 0)
    for (const why of parkReasons) this.parked.inc({ why }, 0)
    for (const type of knownTypes) this.triggers.inc({ type, result: 'unknown-issuer' }, 0)
    for (const type of poisonTypes) this.deadLetters.inc({ type }, 0)
    for (const why of passReasons) this.passed.inc({ why }, 0)
    for (const part of faultParts) this.faults.inc({ part }, 0)
    this.deliveries.inc({ outcome: 'sent', reason: '' }, 0)
    for (const reason of failureReasons) this.deliveries.inc({ outcome: 'failed', reason }, 0)
    collectDefaultMetrics({ register: this.registry })
    for (const name of MISNAMED) this.registry.removeSingleMetric(name)
  }

  showBuild(version: string): void {
    this.#build.set({ version, node: process.version }, 1)
  }

  showMode(mode: 'live' | 'shadow'): void {
    this.#mode.set({ mode }, 1)
    if (mode === 'live') return
    for (const would of shadowedReasons) {
      this.deliveries.inc({ outcome: 'shadowed', reason: would === 'send' ? '' : would }, 0)
    }
  }

  /** A gauge that is read when it is scraped. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      ...this.#named(name, help),
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
      ...this.#named(name, help),
      labelNames,
      async collect() {
        const values = await read()
        this.reset()
        for (const { labels, value } of values) this.inc(shownLabels(labels), value)
      },
    })
  }

  /** A counter that is kept elsewhere, and read when it is scraped. */
  labelledCounter(
    name: string,
    help: string,
    labelNames: string[],
    read: () => Iterable<{ labels: Record<string, string>; value: number }>,
  ): void {
    new Counter({
      ...this.#named(name, help),
      labelNames,
      collect() {
        this.reset()
        for (const { labels, value } of read()) this.inc(shownLabels(labels), value)
      },
    })
  }

  #counter<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []) {
    return new Counter({ ...this.#named(name, help), labelNames })
  }

  #named(name: string, help: string) {
    return { name: `logout_relay_${name}`, help, registers: [this.registry] }
  }
}

/** Client ids are among them, which others make up. What looks the same afterwards is added up. */
function shownLabels<T extends Readonly<Record<string, string>>>(labels: T): T {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, printable(value)])) as T
}
