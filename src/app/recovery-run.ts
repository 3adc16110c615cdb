import { ClientStatesRefresh } from '../delivery/client-states-refresh.ts'
import type { Decoders } from '../events/decoding/decode-record.ts'
import type { OutcomeDetails } from '../events/read-outcome-details.ts'
import type { InputTopics } from '../intake/input-topics.ts'
import { boundsAfterTransactions, hiddenIn, type PartitionRange } from '../intake/log-reader.ts'
import type { Pipeline } from '../intake/pipeline.ts'
import type { Issuers } from '../issuers/issuers.ts'
import { KafkaLogReader } from '../kafka/kafka-log-reader.ts'
import type { KafkaTopics } from '../kafka/kafka-topics.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { RelayFault } from '../lib/errors.ts'
import { RateLimit } from '../lib/rate-limit.ts'
import { describeDisbelieved } from '../recovery/believed-outcomes.ts'
import { FollowOutcomes } from '../recovery/follow-outcomes.ts'
import type { RebuildProgress } from '../recovery/missing-from-log.ts'
import { OutageBudget } from '../recovery/outage-budget.ts'
import { RegisteredAddresses } from '../recovery/registered-addresses.ts'
import { type Difference, RegistryDifference } from '../recovery/registry-difference.ts'
import { Replay } from '../recovery/replay.ts'
import type { ReplayFilter } from '../recovery/replay-filter.ts'
import { ReplayTally } from '../recovery/replay-tally.ts'
import { endedBy, ReplayTriggers } from '../recovery/replay-triggers.ts'
import { type Selected, Selection } from '../recovery/selection.ts'
import type { RedisConnection } from '../redis/redis-connection.ts'
import { createPipeline, createRebuild, createStores, type StoreConfig, type Stores } from './engine.ts'
import type { RecordMapping } from './record-mapping.ts'

export interface RecoveryRunOptions {
  readonly config: StoreConfig
  /** Looked at; they do not change during a run. */
  readonly inputs: InputTopics
  /** They need no keys. */
  readonly issuers: Issuers
  readonly mapping: RecordMapping
  readonly kafka: ConstructorParameters<typeof KafkaLogReader>[0]
  readonly topics: KafkaTopics
  readonly redis: RedisConnection
  readonly filter?: ReplayFilter
  /** Deliveries per second; as fast as it goes without one. */
  readonly perSecond?: number
  readonly onFailed: (outcome: OutcomeDetails) => void
  readonly onNote: (text: string) => void
  readonly clock?: Clock
}

/** Triggers that share round trips; those of a paced replay are parked one by one. */
const BATCH_TRIGGERS = 256
const READ_FAILURES_MAX = 8

/** What `replay` and `reconcile` run: they select what is owed and park it, and the relays deliver. */
export class RecoveryRun {
  readonly tally = new ReplayTally()
  readonly outageBudget = new OutageBudget()
  readonly reader: KafkaLogReader
  readonly replay: Replay
  readonly #config: StoreConfig
  readonly #clock: Clock
  readonly #follow: FollowOutcomes
  readonly #inputs: InputTopics
  readonly #onNote: RecoveryRunOptions['onNote']
  readonly #pipeline: Pipeline
  readonly #selection: Selection
  readonly #stores: Stores
  readonly #topics: KafkaTopics
  readonly #triggers: ReplayTriggers

  constructor(options: RecoveryRunOptions) {
    const { clock = systemClock, config, filter = {}, kafka, onFailed, onNote, perSecond, redis } = options
    const { tally, outageBudget } = this
    this.#config = config
    this.#clock = clock
    this.#topics = options.topics
    this.#inputs = options.inputs
    this.#onNote = onNote
    this.#stores = createStores(config, redis, clock)
    const { clientStates } = this.#stores
    const pipeline = createPipeline(options.issuers, options.mapping, clientStates)
    this.#pipeline = pipeline
    const { parkOwed, recovery, registry } = this.#stores
    const { groupId, outcomeTopic } = config.kafka
    const inputTopics = options.inputs.names
    const { attemptTimeoutMs, lateAfterMs } = config.delivery
    const { deadlineMs } = config.delivery.retry
    const reader = new KafkaLogReader(kafka, options.topics, {
      failuresMax: READ_FAILURES_MAX,
      prepare: pipeline.decoders.prepare,
    })
    this.reader = reader
    this.#follow = new FollowOutcomes(reader, outcomeTopic, tally, onFailed)
    const selection = new Selection({
      tally,
      clock,
      deadlineMs,
      lateAfterMs,
      groupId,
      parkOwed,
      attemptTimeoutMs,
      outageBudget,
      reader,
      recovery,
      registry,
      follow: this.#follow,
      onNotParked: (it) => {
        const clientId = 'partial' in it ? it.partial.clientId : it.clientId
        onNote(
          `client ${clientId ?? '?'}, session ${it.sessionId}: not parked, because another application uses the backlog key of the RP in Redis (see the check redis-keys); fix that, then run this command again`,
        )
      },
      onUnserved: () =>
        onNote(
          `no relay of the consumer group ${groupId} is running: ${tally.counts.parked} deliveries wait for one to start`,
        ),
      rate: perSecond === undefined ? undefined : new RateLimit(perSecond),
    })
    this.#selection = selection
    const batchTriggers = perSecond === undefined ? BATCH_TRIGGERS : 1
    const triggers = new ReplayTriggers({
      tally,
      clock,
      filter,
      outageBudget,
      pipeline,
      batchTriggers,
    })
    this.#triggers = triggers
    this.replay = new Replay({
      ...{ clock, inputTopics, reader, recovery, registry },
      addresses: new RegisteredAddresses({ clock, inputTopics, pipeline, reader, recovery, registry }),
      tally,
      filter,
      groupId,
      outageBudget,
      selection,
      batchTriggers,
      formats: pipeline.decoders,
      isServedIssuer: (issuer) => pipeline.serves(issuer),
      isRetired: (registration) => clientStates.isRetired(registration),
      triggers,
      lateAfterMs,
      outcomeTopic,
    })
  }

  /** Those for which `reader` prepares records. */
  get decoders(): Decoders {
    return this.#pipeline.decoders
  }

  /** What is published from now on is followed. Throws what waiting cannot mend. */
  async start(): Promise<void> {
    const { outcomeTopic } = this.#config.kafka
    for (const topic of new Set([...this.#inputs.selection.names, outcomeTopic]))
      await this.#topics.partitions(topic)
    const { clients, clientStates } = this.#stores
    await new ClientStatesRefresh(clientStates, clients).look()
    await this.#follow.start()
  }

  /** Until when what was selected would be tried. Milliseconds since the epoch. */
  deadlineOf(selected: Selected): number {
    return this.#selection.timesOf(selected).deadlineMs
  }

  /** Throws `LR_REGISTRY_LOST` when Redis does not hold what the topic says, so that nobody knows what is owed. */
  async requireRegistry(): Promise<void> {
    const { epoch, guard } = this.#stores
    const shown = await epoch.read()
    if (shown !== undefined && (shown.isOfThisRun || shown.isUnknownRun))
      return guard.adopt({ id: shown.id, runId: epoch.runId })
    throw new RelayFault('LR_REGISTRY_LOST', 'Redis does not hold the registry')
  }

  /**
   * Builds the registry from the topic, or completes it, and runs the triggers again that the group has committed.
   * Resolves with the differences that were found in a registry that was there.
   */
  async reconcile(onProgress: (progress: RebuildProgress) => void): Promise<readonly Difference[]> {
    let repaired: readonly Difference[] = []
    const rebuild = createRebuild({
      onProgress,
      clock: this.#clock,
      config: this.#config,
      inputs: this.#inputs,
      pipeline: this.#pipeline,
      onDisbelieved: (outcomes) => this.#onNote(describeDisbelieved(outcomes)),
      onForgotten: () => undefined,
      onLacked: () => undefined,
      own: () => [],
      reader: this.reader,
      runAgain: (triggers, built) =>
        this.#triggers.runAgain(triggers, {
          ask: (steps) => endedBy(built, steps),
          handOver: (owed) => this.#selection.take(owed),
        }),
      stores: this.#stores,
    })
    const { signal } = this.outageBudget
    const complete = async (): Promise<void> => {
      const difference = this.difference()
      onProgress({ phase: 'registrations', records: 0, recordsTotal: 0 })
      const found = await difference.find(signal)
      if (difference.disbelieved.count > 0) this.#onNote(describeDisbelieved(difference.disbelieved))
      await difference.repair(found, signal)
      repaired = found
    }
    await rebuild.repeat(complete, signal)
    if (!signal.aborted) await this.requireRegistry()
    return repaired
  }

  /** What cannot be read of the input topics before another producer's transaction has ended. */
  async hidden(): Promise<PartitionRange[]> {
    return hiddenIn(await boundsAfterTransactions(this.reader, this.#inputs.names))
  }

  /** Compares Redis with the topic. */
  difference(): RegistryDifference {
    return new RegistryDifference({
      clock: this.#clock,
      pipeline: this.#pipeline,
      reader: this.reader,
      recovery: this.#stores.recovery,
      registry: this.#stores.unguarded.registry,
      inputTopics: this.#inputs.names,
      outcomeTopic: this.#config.kafka.outcomeTopic,
    })
  }

  /**
   * Resolves when every delivery has its outcome; or `waitMs` have passed, by default a deadline; or no relay is running and
   * nothing was said of waiting; or patience ends.
   */
  settle(waitMs: number | undefined): Promise<void> {
    return this.#selection.settle(waitMs)
  }
}
