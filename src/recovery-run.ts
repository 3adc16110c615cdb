import type { Config } from './config/env.ts'
import type { Issuers } from './config/issuers.ts'
import { createDelivery, createIssuers, createPipeline } from './create-delivery.ts'
import type { DeliveryCore } from './delivery/delivery-core.ts'
import { ClientNotes } from './diagnosis/client-notes.ts'
import { findingOfClient } from './diagnosis/clients.ts'
import type { UndiciSender } from './egress/undici-sender.ts'
import { RelayFault } from './errors.ts'
import type { Outcome, OutcomeSubject } from './events/outcome.ts'
import type { Pipeline } from './intake/pipeline.ts'
import { KafkaLogReader } from './kafka/kafka-log-reader.ts'
import { KafkaOutcomeLog } from './kafka/kafka-outcome-log.ts'
import type { KafkaTopics } from './kafka/kafka-topics.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { delay, settledWithin } from './lib/deferred.ts'
import { RateLimit } from './lib/rate-limit.ts'
import { FittingLog } from './outcome/fitting-log.ts'
import { Aftermath } from './recovery/aftermath.ts'
import { describeDisbelieved } from './recovery/believed-outcomes.ts'
import { FollowOutcomes } from './recovery/follow-outcomes.ts'
import { hiddenIn, type PartitionRange } from './recovery/log-reader.ts'
import type { RebuildProgress } from './recovery/missing-from-log.ts'
import { OwnBacklog } from './recovery/own-backlog.ts'
import { Patience } from './recovery/patience.ts'
import { Rebuild } from './recovery/rebuild.ts'
import { Redelivery } from './recovery/redelivery.ts'
import { RegisteredAddresses } from './recovery/registered-addresses.ts'
import { type Difference, RegistryDifference } from './recovery/registry-difference.ts'
import { Replay } from './recovery/replay.ts'
import { ReplayBook } from './recovery/replay-book.ts'
import { ReplayEvents } from './recovery/replay-events.ts'
import type { ReplayFilter } from './recovery/replay-filter.ts'
import { endedBy, ReplayTriggers } from './recovery/replay-triggers.ts'
import { StoreFromLog } from './recovery/store-from-log.ts'
import { RedisBacklog } from './redis/redis-backlog.ts'
import type { RedisConnection } from './redis/redis-connection.ts'
import { RedisEpochStore } from './redis/redis-epoch-store.ts'
import { RedisKeys } from './redis/redis-keys.ts'
import { RedisLeases } from './redis/redis-leases.ts'
import { RedisRecoveryRegistry } from './redis/redis-recovery-registry.ts'
import { RedisRegistry } from './redis/redis-registry.ts'
import { EpochGuard } from './registry/epoch-guard.ts'

export interface RecoveryRunOptions {
  readonly config: Config
  readonly kafka: ConstructorParameters<typeof KafkaLogReader>[0]
  readonly topics: KafkaTopics
  readonly redis: RedisConnection
  readonly filter?: ReplayFilter
  /** Deliveries per second; as fast as it goes without one. */
  readonly perSecond?: number
  readonly onFailed: (subject: OutcomeSubject, outcome: Extract<Outcome, { kind: 'failed' }>) => void
  readonly onNote: (text: string) => void
  readonly clock?: Clock
}

/** Triggers that share round trips; those of a slow replay must not hold leases that they do not need yet. */
const SLICE_TRIGGERS = 64
const READ_FAILURES_MAX = 8
/** A delivery that expires is found a moment later. */
const OVERTIME_MS = 10_000
const FLUSH_MS = 5_000

/** What `replay` and `reconcile` run: the delivery of the service without its consumer. */
export class RecoveryRun {
  readonly book = new ReplayBook()
  readonly patience = new Patience()
  readonly reader: KafkaLogReader
  readonly recovery: RedisRecoveryRegistry
  readonly registry: RedisRegistry
  readonly replay: Replay
  readonly #aftermath: Aftermath
  readonly #config: Config
  readonly #clock: Clock
  readonly #core: DeliveryCore
  readonly #epoch: RedisEpochStore
  readonly #follow: FollowOutcomes
  readonly #guard: EpochGuard
  readonly #issuers: Issuers
  readonly #log: KafkaOutcomeLog
  readonly #onNote: RecoveryRunOptions['onNote']
  readonly #pipeline: Pipeline
  readonly #redelivery: Redelivery
  readonly #sender: UndiciSender
  readonly #topics: KafkaTopics
  readonly #triggers: ReplayTriggers
  readonly #unguarded: RedisRegistry
  readonly #unguardedRecovery: RedisRecoveryRegistry

  constructor(options: RecoveryRunOptions) {
    const { clock = systemClock, config, filter = {}, kafka, onFailed, onNote, perSecond, redis } = options
    const { book, patience } = this
    this.#config = config
    this.#clock = clock
    this.#topics = options.topics
    this.#onNote = onNote
    this.#issuers = createIssuers(config, clock)
    const pipeline = createPipeline(config, this.#issuers)
    this.#pipeline = pipeline
    const keys = new RedisKeys(config.REDIS_PREFIX)
    this.#guard = new EpochGuard(redis)
    const { SESSION_LIFETIME_MS: sessionLifetimeMs, TOMBSTONE_MS: tombstoneMs } = config
    this.registry = new RedisRegistry({ redis, keys, sessionLifetimeMs, tombstoneMs, guard: this.#guard })
    this.#unguarded = new RedisRegistry({ redis, keys, sessionLifetimeMs, tombstoneMs })
    this.recovery = new RedisRecoveryRegistry({ redis, keys, sessionLifetimeMs, guard: this.#guard })
    this.#unguardedRecovery = new RedisRecoveryRegistry({ redis, keys, sessionLifetimeMs })
    this.#epoch = new RedisEpochStore(redis, keys)
    this.reader = new KafkaLogReader(kafka, options.topics, READ_FAILURES_MAX)
    this.#log = new KafkaOutcomeLog(kafka, options.topics)
    this.#follow = new FollowOutcomes(this.reader, config.KAFKA_OUTCOME_TOPIC, book)
    const backlog = new OwnBacklog(new RedisBacklog(redis, keys))
    const clients = new ClientNotes({ clock, onNew: (noted) => onNote(findingOfClient(noted).text) })
    const { core, sender } = createDelivery({
      backlog,
      clock,
      config,
      keys,
      redis,
      guard: this.#guard,
      events: new ReplayEvents(book, patience, onFailed),
      issuers: this.#issuers,
      log: new FittingLog(this.#log, ({ topic }) => onNote(`an outcome was cut to fit into topic ${topic}`)),
      registry: this.registry,
      onClientNote: (clientId, note) => clients.add(clientId, note),
      onInvalidSetting: ({ clientId }, problem) =>
        onNote(`setting of the RP ${clientId} ignored: ${problem}`),
    })
    this.#core = core
    this.#sender = sender
    this.#redelivery = new Redelivery({
      backlog,
      book,
      clock,
      core,
      patience,
      deadlineMs: config.RETRY_DEADLINE_MS,
      leases: new RedisLeases(redis, keys),
      rate: perSecond === undefined ? undefined : new RateLimit(perSecond),
    })
    this.#aftermath = new Aftermath({
      book,
      core,
      onNote,
      patience,
      follow: this.#follow,
      redelivery: this.#redelivery,
    })
    const sliceTriggers = perSecond === undefined ? SLICE_TRIGGERS : 1
    this.#triggers = new ReplayTriggers({
      book,
      filter,
      patience,
      pipeline,
      sliceTriggers,
      clock,
      deadlineMs: config.RETRY_DEADLINE_MS,
    })
    const { reader, recovery, registry } = this
    this.replay = new Replay({
      addresses: new RegisteredAddresses({
        ...{ clock, pipeline, reader, recovery, registry },
        inputTopics: config.KAFKA_TOPICS,
      }),
      book,
      clock,
      filter,
      patience,
      sliceTriggers,
      formats: pipeline.decoders,
      isServedIssuer: pipeline.serves,
      groupId: config.KAFKA_GROUP_ID,
      inputTopics: config.KAFKA_TOPICS,
      lateAfterMs: config.RETRY_DEADLINE_MS,
      outcomeTopic: config.KAFKA_OUTCOME_TOPIC,
      reader: this.reader,
      recovery: this.recovery,
      redelivery: this.#redelivery,
      registry: this.registry,
      triggers: this.#triggers,
    })
    // Whoever waits for room must see that nobody waits any more.
    patience.signal.addEventListener('abort', () => core.open.room.open())
  }

  /** Deliveries may begin when this resolves. Throws what waiting cannot mend. */
  async start(): Promise<void> {
    await this.#issuers.load()
    for (const topic of new Set([...this.#config.KAFKA_TOPICS, this.#config.KAFKA_OUTCOME_TOPIC]))
      await this.#topics.partitions(topic)
    await this.#follow.start()
    this.#core.backlogLoop.start()
  }

  /** Throws `LR_REGISTRY_LOST` when Redis does not hold what the topic says, so that nobody knows what is owed. */
  async requireRegistry(): Promise<void> {
    const shown = await this.#epoch.read()
    if (shown !== undefined && (shown.isOfThisRun || shown.isUntold))
      return this.#guard.adopt({ id: shown.id, runId: this.#epoch.runId })
    throw new RelayFault('LR_REGISTRY_LOST', 'Redis does not hold the registry')
  }

  /**
   * Builds the registry from the topic, or completes it, and runs the triggers again that the group has committed.
   * Resolves with the differences that were found in a registry that was there.
   */
  async reconcile(onProgress: (progress: RebuildProgress) => void): Promise<readonly Difference[]> {
    let mended: readonly Difference[] = []
    const config = this.#config
    const store = new StoreFromLog({
      clock: this.#clock,
      deadlineMs: config.RETRY_DEADLINE_MS,
      pipeline: this.#pipeline,
      recovery: this.#unguardedRecovery,
      registry: this.#unguarded,
      sessionLifetimeMs: config.SESSION_LIFETIME_MS,
      tombstoneMs: config.TOMBSTONE_MS,
      runAgain: (triggers, built) =>
        this.#triggers.runAgain(triggers, {
          ask: (steps) => endedBy(built, steps),
          // What is settled was read from the topic just now.
          handOn: (owed) => this.#redelivery.deliver(owed, async (registrations) => registrations),
        }),
      againSettled: () => this.#aftermath.nothingHeld(),
    })
    const rebuild = new Rebuild({
      onProgress,
      store,
      onForgotten: () => undefined,
      onLacked: () => undefined,
      onDisbelieved: (outcomes) => this.#onNote(describeDisbelieved(outcomes)),
      clock: this.#clock,
      epoch: this.#epoch,
      groupId: config.KAFKA_GROUP_ID,
      inputTopics: config.KAFKA_TOPICS,
      outcomeTopic: config.KAFKA_OUTCOME_TOPIC,
      own: () => [],
      formats: this.#pipeline.decoders,
      reader: this.reader,
      startFrom: config.KAFKA_START_FROM,
    })
    const { signal } = this.patience
    const complete = async (): Promise<void> => {
      const difference = this.difference()
      onProgress({ phase: 'registrations', records: 0, recordsTotal: 0 })
      const found = await difference.find(signal)
      if (difference.disbelieved.count > 0) this.#onNote(describeDisbelieved(difference.disbelieved))
      await difference.mend(found, signal)
      mended = found
    }
    await rebuild.repeat(complete, signal)
    // What was parked on the way is claimed only from a store that is proved.
    if (!signal.aborted) await this.requireRegistry()
    return mended
  }

  /** What cannot be read of the input topics before another producer's transaction has ended. */
  async hidden(): Promise<PartitionRange[]> {
    return hiddenIn(await this.reader.bounds(this.#config.KAFKA_TOPICS))
  }

  /** Compares Redis with the topic. */
  difference(): RegistryDifference {
    return new RegistryDifference({
      clock: this.#clock,
      pipeline: this.#pipeline,
      reader: this.reader,
      recovery: this.recovery,
      registry: this.#unguarded,
      inputTopics: this.#config.KAFKA_TOPICS,
      outcomeTopic: this.#config.KAFKA_OUTCOME_TOPIC,
    })
  }

  /**
   * Resolves when every delivery has its outcome; or is parked or under way in another process, and `waitMs` have passed,
   * by default a deadline; or patience ends.
   */
  settle(waitMs = this.#config.RETRY_DEADLINE_MS + OVERTIME_MS): Promise<void> {
    return this.#aftermath.settle(waitMs)
  }

  /** Deliveries that another process has under way, as far as is known. */
  get left(): number {
    return this.#redelivery.left
  }

  /** Outcomes that are not on the topic yet, or whose registration is not removed: still owed, as far as anybody knows. */
  get unsettled(): number {
    return this.#core.settlement.size
  }

  /** As the service stops: attempts under way end within the drain deadline, the rest is parked. */
  async stop(): Promise<void> {
    const endsAtMs = performance.now() + this.#config.DRAIN_MS
    const core = this.#core
    await settledWithin(core.backlogLoop.stop(), 1_000)
    await settledWithin(core.parkWaiting(), FLUSH_MS)
    while (core.dispatcher.inFlight > 0 && performance.now() < endsAtMs) await delay(10)
    await this.#sender.close()
    await settledWithin(this.#flush(), FLUSH_MS)
    core.stop()
    this.#redelivery.stop()
    await this.#log.close()
    this.#issuers.close()
  }

  async #flush(): Promise<void> {
    await this.#core.parking.idle()
    await this.#core.settlement.idle()
    await this.#redelivery.idle()
  }
}
