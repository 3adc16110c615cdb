import type { Backlog } from '../delivery/backlog.ts'
import type { DeliveryCore, DeliveryOptions } from '../delivery/delivery-core.ts'
import type { Checkup } from '../diagnosis/checkup.ts'
import type { Finding } from '../diagnosis/finding.ts'
import type { Assignment } from '../intake/assignment.ts'
import type { ConsumerLag } from '../intake/consumer-lag.ts'
import type { Clock } from '../lib/clock.ts'
import type { RebuildProgress } from '../recovery/missing-from-log.ts'
import type { EpochGuard } from '../registry/epoch-guard.ts'
import { BacklogView } from './backlog-view.ts'
import type { Failure, RecentFailures } from './recent-failures.ts'
import { type RelyingPartyRows, relyingPartyRows } from './relying-party-rows.ts'
import { type CountedMetrics, Throughput, type ThroughputView } from './throughput.ts'
import { withoutIdentifiers } from './without-identifiers.ts'

/** What the status page shows. Times are milliseconds since the epoch, on the relay's clock. */
export interface StatusSnapshot {
  readonly atMs: number
  readonly version: string
  /** In shadow mode nothing is sent. */
  readonly mode: 'live' | 'shadow'
  readonly issuer: string
  readonly uptimeMs: number
  /** Empty when the relay is ready. */
  readonly notReady: readonly { readonly part: string; readonly reason: string }[]
  readonly findings: readonly Pick<Finding, 'check' | 'severity' | 'text' | 'remedy'>[]
  /** While the registry is built from the log. */
  readonly rebuild?: RebuildProgress
  readonly load: {
    readonly inFlight: number
    readonly inFlightMax: number
    readonly waiting: number
    readonly unsettled: number
    readonly unsettledMax: number
    readonly outcomesPending: number
  }
  readonly throughput: ThroughputView
  readonly backlog: {
    readonly parked: number
    readonly rps: number
    readonly isOld: boolean
    /** More RPs have a backlog than were counted. */
    readonly isCut: boolean
    readonly readAtMs?: number
  }
  readonly relyingParties: RelyingPartyRows
  readonly partitions: readonly PartitionRow[]
  readonly failures: readonly Failure[]
}

export interface PartitionRow {
  readonly topic: string
  readonly partition: number
  /** Records; `undefined` while it is not known. */
  readonly lag: number | undefined
  readonly settledOffset: number
  readonly openRecords: number
}

export interface SnapshotSources {
  readonly assignment: Pick<Assignment, 'queues'>
  readonly backlog: Pick<Backlog, 'sizes'>
  readonly checkup: Pick<Checkup, 'findings'>
  readonly clock: Clock
  readonly core: {
    readonly dispatcher: Pick<DeliveryCore['dispatcher'], 'inFlight' | 'waiting'>
    readonly open: Pick<DeliveryCore['open'], 'size'>
    readonly settlement: Pick<DeliveryCore['settlement'], 'size'>
    readonly relyingParties: Pick<DeliveryCore['relyingParties'], typeof Symbol.iterator>
  }
  readonly delivery: Pick<DeliveryOptions, 'maxInFlight' | 'maxUnsettled'>
  readonly failures: RecentFailures
  readonly guard: Pick<EpochGuard, 'isIntact'>
  readonly issuers: { readonly only: string | undefined; known(): Iterable<unknown> }
  readonly lag: Pick<ConsumerLag, 'refresh' | 'of'>
  readonly metrics: CountedMetrics
  readonly mode: StatusSnapshot['mode']
  /** What is not ready, by part, with the reason. */
  readonly notReady: () => Record<string, string>
  readonly rebuilding: () => RebuildProgress | undefined
  readonly version: string
}

const PARTITIONS_MAX = 200

/** Puts together how the relay stands, from what is known in memory and one bounded look at Redis and Kafka. */
export class StatusReader {
  readonly throughput: Throughput
  readonly #sources: SnapshotSources
  readonly #backlog: BacklogView
  readonly #startedAtMs: number

  constructor(sources: SnapshotSources) {
    this.#sources = sources
    this.#backlog = new BacklogView(sources.backlog, sources.clock)
    this.#startedAtMs = sources.clock.now()
    this.throughput = new Throughput(sources.metrics, sources.clock)
  }

  /** Takes a second at most, whatever Redis and Kafka do. */
  async read(): Promise<StatusSnapshot> {
    const { assignment, checkup, clock, core, delivery, failures, guard, lag } = this.#sources
    await Promise.all([this.#backlog.refresh(), lag.refresh()])
    const throughput = await this.throughput.view()
    const { sizes, isOld, isCut, readAtMs } = this.#backlog
    const atMs = clock.now()
    const rebuild = guard.isIntact ? undefined : this.#sources.rebuilding()
    return {
      atMs,
      version: this.#sources.version,
      mode: this.#sources.mode,
      issuer: this.#sources.issuers.only ?? `${[...this.#sources.issuers.known()].length} issuers`,
      uptimeMs: atMs - this.#startedAtMs,
      notReady: Object.entries(this.#sources.notReady()).map(([part, reason]) => ({
        part,
        reason: withoutIdentifiers(reason),
      })),
      findings: checkup.findings.map(({ check, severity, text, summary = text, remedy = '' }) => ({
        check,
        severity,
        text: withoutIdentifiers(summary),
        remedy: withoutIdentifiers(remedy),
      })),
      ...(rebuild !== undefined && { rebuild }),
      load: {
        inFlight: core.dispatcher.inFlight,
        inFlightMax: delivery.maxInFlight,
        waiting: core.dispatcher.waiting,
        unsettled: core.open.size,
        unsettledMax: delivery.maxUnsettled,
        outcomesPending: core.settlement.size,
      },
      throughput,
      backlog: {
        parked: sizes.reduce((sum, { size }) => sum + size, 0),
        rps: sizes.filter(({ size }) => size > 0).length,
        isOld,
        isCut,
        ...(readAtMs !== undefined && { readAtMs }),
      },
      relyingParties: relyingPartyRows(
        { [Symbol.iterator]: () => core.relyingParties[Symbol.iterator]() },
        sizes,
        (rpKey) => failures.problemAt(rpKey),
      ),
      partitions: partitionRows(assignment.queues, lag),
      failures: failures.list,
    }
  }
}

function partitionRows(queues: Assignment['queues'], lag: Pick<ConsumerLag, 'of'>): PartitionRow[] {
  const rows = [...queues].map((queue) => ({
    topic: queue.topic,
    partition: queue.partition,
    lag: lag.of(queue),
    settledOffset: queue.tracker.committable,
    openRecords: queue.tracker.openRecords,
  }))
  rows.sort(
    (a, b) => (b.lag ?? 0) - (a.lag ?? 0) || a.topic.localeCompare(b.topic) || a.partition - b.partition,
  )
  return rows.slice(0, PARTITIONS_MAX)
}
