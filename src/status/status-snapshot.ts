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
import { isWanted, remedyOf } from './failure-remedies.ts'
import { type FailureRow, failureRows } from './failure-rows.ts'
import { type Headline, headline } from './headline.ts'
import { headlineFacts } from './headline-facts.ts'
import type { RecentFailures } from './recent-failures.ts'
import { type RelyingPartyRows, relyingPartyRows } from './relying-party-rows.ts'
import { type CountedMetrics, type OutcomeCount, Throughput, type ThroughputView } from './throughput.ts'
import { obstacleOf } from './withheld.ts'
import { withoutIdentifiers } from './without-identifiers.ts'

/** What the status page shows. Times are milliseconds since the epoch, on the relay's clock. */
export interface StatusSnapshot {
  readonly atMs: number
  readonly headline: Headline
  /** `shadow`: everything but the POST. */
  readonly mode: 'live' | 'shadow'
  readonly version: string
  readonly issuer: string
  readonly uptimeMs: number
  /** Empty when the relay is ready. */
  readonly notReady: readonly { readonly part: string; readonly reason: string }[]
  readonly findings: readonly Pick<Finding, 'check' | 'about' | 'severity' | 'text' | 'remedy'>[]
  /** Why deliveries have failed, in the window and since the start, with what to do about it. */
  readonly failedBy: readonly (Pick<OutcomeCount, 'reason' | 'recently' | 'total'> & {
    readonly remedy: string
  })[]
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
  /** The first two hundred, those that are furthest behind first. */
  readonly partitions: readonly PartitionRow[]
  readonly partitionsTotal: number
  readonly failures: readonly FailureRow[]
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
  readonly backlog: Pick<Backlog, 'sizes' | 'earliestDeadlines'>
  readonly checkup: Pick<Checkup, 'findings' | 'unseen'>
  readonly clock: Clock
  readonly core: {
    readonly dispatcher: Pick<DeliveryCore['dispatcher'], 'inFlight' | 'waiting'>
    readonly open: Pick<DeliveryCore['open'], 'size'>
    readonly settlement: Pick<DeliveryCore['settlement'], 'size'>
    readonly relyingParties: Pick<DeliveryCore['relyingParties'], 'stateOf' | typeof Symbol.iterator>
  }
  readonly delivery: Pick<DeliveryOptions, 'maxInFlight' | 'maxUnsettled'> & {
    readonly retry: Pick<DeliveryOptions['retry'], 'deadlineMs'>
  }
  readonly failures: RecentFailures
  readonly guard: Pick<EpochGuard, 'isIntact'>
  readonly issuers: {
    readonly only: string | undefined
    known(): Iterable<unknown>
    get(
      issuer: string,
    ): { readonly deadlineMs: number; readonly isEnabled: boolean; readonly isMisnamed: boolean } | undefined
  }
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
    const { failures } = sources
    const isTroubled = (rpKey: string) => failures.problemAt(rpKey) !== undefined
    this.#backlog = new BacklogView(sources.backlog, sources.clock, isTroubled)
    this.#startedAtMs = sources.clock.now()
    this.throughput = new Throughput(sources.metrics, sources.clock)
  }

  /** Takes a second at most, whatever Redis and Kafka do. */
  async read(): Promise<StatusSnapshot> {
    const { assignment, lag } = this.#sources
    await Promise.all([this.#backlog.refresh(), lag.refresh()])
    const snapshot = this.#put(await this.throughput.view())
    let records = 0
    for (const queue of assignment.queues) records += lag.of(queue) ?? 0
    return { ...snapshot, headline: headline(headlineFacts(snapshot, records)) }
  }

  #put(throughput: ThroughputView): Omit<StatusSnapshot, 'headline'> {
    const { assignment, checkup, clock, core, delivery, failures, guard, issuers, lag } = this.#sources
    const { sizes, isOld, isCut, readAtMs } = this.#backlog
    const atMs = clock.now()
    const rebuild = guard.isIntact ? undefined : this.#sources.rebuilding()
    const showsIssuer = issuers.only === undefined
    const notReady = Object.entries(this.#sources.notReady())
    const signs = [
      ...notReady.map(([part]) => part),
      ...checkup.findings.map(({ check }) => check),
      ...checkup.unseen.map((part) => `checks-${part}`),
    ]
    const partitions = partitionRows(assignment.queues, lag)
    return {
      atMs,
      mode: this.#sources.mode,
      version: this.#sources.version,
      issuer: issuers.only ?? `${[...issuers.known()].length} issuers`,
      uptimeMs: atMs - this.#startedAtMs,
      notReady: notReady.map(([part, reason]) => ({ part, reason: withoutIdentifiers(reason) })),
      findings: checkup.findings.map(({ about, check, severity, text, summary = text, remedy = '' }) => ({
        check,
        // Where a text leaves out the keys that it quotes, they may be what it is about.
        ...(about !== undefined && summary === text && { about: withoutIdentifiers(about) }),
        severity,
        text: withoutIdentifiers(summary),
        remedy: withoutIdentifiers(remedy),
      })),
      failedBy: failedBy(throughput),
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
        {
          showsIssuer,
          nowMs: atMs,
          problemAt: (rpKey) => failures.problemAt(rpKey),
          stateOf: (rpKey) => core.relyingParties.stateOf(rpKey),
          obstacleOf: (issuer) => obstacleOf(issuers.get(issuer)),
          timeMsOf: (issuer) => issuers.get(issuer)?.deadlineMs ?? delivery.retry.deadlineMs,
        },
      ),
      partitions: partitions.slice(0, PARTITIONS_MAX),
      partitionsTotal: partitions.length,
      failures: failureRows(failures.list, { nowMs: atMs, showsIssuer, signs: new Set(signs) }),
    }
  }
}

function failedBy({ outcomes }: ThroughputView): StatusSnapshot['failedBy'] {
  return outcomes
    .filter(({ outcome, reason }) => outcome === 'failed' && !isWanted(reason))
    .map(({ reason, recently, total }) => ({ reason, recently, total, remedy: remedyOf(reason) ?? '' }))
    .sort((a, b) => b.recently - a.recently)
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
  return rows
}
