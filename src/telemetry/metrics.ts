import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

const ATTEMPT_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const TRIGGER_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600, 3_600]
const PUBLISH_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 30]

/**
 * Everything that is counted. Labels are bounded: types, results, reasons; a client id only on the backlog's gauge,
 * and only for the RPs that have one. Never a subject or a session.
 */
export class Metrics {
  readonly registry = new Registry()

  readonly triggers = this.#counter('triggers_total', 'Triggers and registrations taken up.', [
    'type',
    'result',
  ])
  readonly skipped = this.#counter('records_skipped_total', 'Records that are not input.', ['reason'])
  readonly deadLetters = this.#counter('dead_letters_total', 'Poison records.', ['type'])
  readonly deliveries = this.#counter('deliveries_total', 'Deliveries that ended.', ['outcome', 'reason'])
  readonly attempts = this.#counter('attempts_total', 'Attempts made.', ['verdict'])
  readonly parked = this.#counter('parked_total', 'Deliveries put into the backlog.', ['why'])
  readonly breakerOpenings = this.#counter(
    'breaker_openings_total',
    'Times that an RP was found not to answer, or still not to answer.',
    [],
  )
  readonly registryLosses = this.#counter(
    'registry_losses_total',
    'Times that Redis was found without the registry while the relay ran.',
    [],
  )
  readonly rebuilds = this.#counter(
    'rebuilds_total',
    'Times that this replica built the registry from the log.',
    [],
  )
  readonly faults = this.#counter('faults_total', 'Faults of Kafka, Redis or the keys, each retried.', [
    'part',
  ])
  readonly attemptDuration = this.#histogram(
    'attempt_duration_seconds',
    'Time of one attempt.',
    ATTEMPT_BUCKETS,
  )
  readonly triggerToSent = this.#histogram(
    'trigger_to_sent_seconds',
    'From the trigger to the accepted logout.',
    TRIGGER_BUCKETS,
  )
  readonly outcomePublish = this.#histogram(
    'outcome_publish_seconds',
    'From an outcome to its acknowledgement by Kafka; the oldest of each batch.',
    PUBLISH_BUCKETS,
  )

  constructor() {
    collectDefaultMetrics({ register: this.registry })
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
        for (const { labels, value } of values) this.set(labels, value)
      },
    })
  }

  #counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name: `logout_relay_${name}`, help, labelNames, registers: [this.registry] })
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ name: `logout_relay_${name}`, help, buckets, registers: [this.registry] })
  }
}
