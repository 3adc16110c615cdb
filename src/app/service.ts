import type { Config } from '../config/config.ts'
import { ClientStatesRefresh } from '../delivery/client-states-refresh.ts'
import type { DeliveryCore } from '../delivery/delivery-core.ts'
import { FittingLog } from '../delivery/fitting-log.ts'
import { writeSummaries } from '../delivery/relay-summary.ts'
import type { ShadowLeftovers } from '../delivery/shadow-leftovers.ts'
import type { Checkup } from '../diagnosis/checkup.ts'
import { ClientNotes } from '../diagnosis/client-notes.ts'
import { EdgeNotes } from '../diagnosis/edge-notes.ts'
import { relayClientId } from '../diagnosis/group.ts'
import { TypeNotes } from '../diagnosis/type-notes.ts'
import { knownTypes } from '../events/decoding/known-types.ts'
import { HttpServer, type JwksSource } from '../http/http-server.ts'
import { Assignment } from '../intake/assignment.ts'
import { ConsumerLag } from '../intake/consumer-lag.ts'
import { DeadLetters } from '../intake/dead-letters.ts'
import { InputTopics } from '../intake/input-topics.ts'
import { Intake } from '../intake/intake.ts'
import type { Issuers } from '../issuers/issuers.ts'
import { createKafkaClient } from '../kafka/kafka-client.ts'
import { KafkaLogReader } from '../kafka/kafka-log-reader.ts'
import { KafkaOutcomeLog } from '../kafka/kafka-outcome-log.ts'
import { KafkaRecordSource } from '../kafka/kafka-record-source.ts'
import { KafkaTopics } from '../kafka/kafka-topics.ts'
import { RecordLimit } from '../kafka/record-limit.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { delay, settledWithin } from '../lib/deferred.ts'
import { codeOf, messageOf } from '../lib/errors.ts'
import { Gate } from '../lib/gate.ts'
import { RepeatedSteps } from '../lib/repeated-steps.ts'
import { version } from '../lib/version.ts'
import type { RegistryWatch } from '../recovery/registry-watch.ts'
import { RedisConnection } from '../redis/redis-connection.ts'
import { RedisKeys } from '../redis/redis-keys.ts'
import { WriteCount } from '../redis/write-count.ts'
import { RecentFailures } from '../status/recent-failures.ts'
import { StatusPage } from '../status/status-page.ts'
import { withoutIdentifiers } from '../status/without-identifiers.ts'
import { exportMetrics } from '../telemetry/export-metrics.ts'
import type { Log, Logger } from '../telemetry/log.ts'
import { Metrics } from '../telemetry/metrics.ts'
import type { Tracing } from '../telemetry/opentelemetry.ts'
import { RelayEvents } from '../telemetry/relay-events.ts'
import { createCheckup, createIssuerLooks } from './create-checkup.ts'
import { createIssuers } from './create-issuers.ts'
import { createRegistryWatch } from './create-registry-watch.ts'
import { createDelivery, createPipeline, createShadowLeftovers, createStores, type Stores } from './engine.ts'
import { Readiness } from './readiness.ts'
import { RecordMapping } from './record-mapping.ts'
import { reloadEvents } from './reload-events.ts'
import { signingLines } from './signing-lines.ts'
import { WebhookIntake } from './webhook-intake.ts'

const START_RETRY_MS_MAX = 5_000
/** After the attempts have ended or were parked: time for Kafka and Redis to take the rest. */
const FLUSH_MS = 5_000
const LEAVE_MS = 500
/** For the answers to webhooks that have been read. */
const WEBHOOKS_MS = 3_000

/** Everything built and wired; starts in the order in which parts depend on one another, and drains in reverse. */
export class Service {
  readonly #config: Config
  readonly #logger: Logger
  readonly #events: RelayEvents
  readonly #issuers: Issuers
  readonly #mapping: RecordMapping
  readonly #redis: RedisConnection
  readonly #redisUp = new Gate(false)
  readonly #topics: KafkaTopics
  readonly #inputs: InputTopics
  readonly #log: KafkaOutcomeLog
  readonly #letterLog: KafkaOutcomeLog
  readonly #webhookLog: KafkaOutcomeLog
  readonly #webhooks: WebhookIntake
  readonly #source: KafkaRecordSource
  readonly #sender: ReturnType<typeof createDelivery>['sender']
  readonly #core: DeliveryCore
  readonly #deadLetters: DeadLetters
  readonly #intake: Intake
  readonly #assignment: Assignment
  readonly #stores: Stores
  readonly #registryWatch: RegistryWatch
  readonly #shadowLeftovers: ShadowLeftovers
  readonly #checkup: Checkup
  readonly #http: HttpServer
  readonly #tracing: Tracing | undefined
  readonly #stopping = new AbortController()
  readonly #readiness = new Readiness()
  readonly #repeats: RepeatedSteps
  #hasOwnTopics = false
  #isStarted = false

  constructor(config: Config, log: Log, tracing?: Tracing, clock: Clock = systemClock) {
    const { logger } = log
    const metrics = new Metrics()
    metrics.showBuild(version)
    metrics.showMode(config.mode)
    metrics.logLinesDropped = log.dropped
    const failures = new RecentFailures(clock)
    const hurry = (part: string): void => {
      if (part === 'redis') this.#checkup.hurry(part)
    }
    const events = new RelayEvents(log, metrics, clock, hurry, failures)
    this.#config = config
    this.#logger = logger
    this.#events = events
    this.#tracing = tracing
    this.#issuers = createIssuers(config, clock)
    this.#mapping = new RecordMapping(config.records)

    const repeats = new RepeatedSteps(clock)
    this.#repeats = repeats
    const clear = new Gate(false)

    let redisFailures = 0
    this.#redis = new RedisConnection({
      url: config.redis.url,
      security: config.redis,
      count: new WriteCount(new RedisKeys(config.redis.prefix, config.mode).epoch()),
      onSuspect: () => hurry('redis'),
      onUp: () => {
        redisFailures = 0
        this.#readiness.letIn('redis')
        this.#redisUp.open()
      },
      onDown: (error) => {
        this.#readiness.failed('redis', error)
        redisFailures++
        // A reason is told also when other failures came before it.
        const failures = codeOf(error) === 'LR_REFUSED' ? 1 : redisFailures
        if (this.#redisUp.isOpen || !this.#isStarted) events.fault('redis', error, failures)
        this.#redisUp.close()
      },
    })
    this.#stores = createStores(config, this.#redis, clock)
    const { backlog, guard, keys, registry } = this.#stores

    const kafka = createKafkaClient(
      config.kafka.brokers,
      relayClientId(config.mode),
      (level, message, details) => logger[level](details, `kafka: ${message}`),
      config.kafka,
    )
    this.#topics = new KafkaTopics(kafka, config.kafka)
    this.#inputs = new InputTopics(config.kafka.topics, this.#topics)
    const edges = new EdgeNotes({
      clock,
      onNews: () => this.#checkup.hurry('log'),
      onPassed: (passed) => events.positionPassed(passed),
    })
    const types = new TypeNotes({ clock, knownTypes, onNews: () => this.#checkup.hurry('log') })
    this.#log = new KafkaOutcomeLog(kafka, this.#topics)
    // On a connection of its own: a letter may be megabytes long, and outcomes do not wait behind it.
    this.#letterLog = new KafkaOutcomeLog(kafka, this.#topics)
    this.#webhookLog = new KafkaOutcomeLog(kafka, this.#topics)
    this.#webhooks = new WebhookIntake({
      ...{ clock, config, events, logger, metrics },
      hurry: (part) => this.#checkup.hurry(part),
      log: this.#webhookLog,
    })
    const [outcomeLog, letterLog] = [this.#log, this.#letterLog].map(
      (log) => new FittingLog(log, (record) => events.recordCut(record)),
    ) as [FittingLog, FittingLog]
    this.#source = new KafkaRecordSource({
      kafka,
      inputs: this.#inputs,
      edges,
      epoch: () => guard.epoch,
      onElsewhere: () => this.#registryWatch.distrust(),
      recall: () => this.#registryWatch.positions(),
      keep: (positions) => this.#registryWatch.keepPositions(positions),
      groupId: config.kafka.groupId,
      startFrom: config.kafka.startFrom,
      doesStartMove: config.mode === 'shadow',
      sessionTimeoutMs: config.kafka.sessionTimeoutMs,
      stallMs: config.kafka.stallMs,
      onTrouble: (what, error) => {
        this.#readiness.failed('kafka', error)
        events.fault(`kafka-${what}`, error)
      },
      onMembership: (isMember) => {
        this.#readiness.becameMember(isMember)
        logger.info({ group: config.kafka.groupId, isMember }, 'consumer group')
      },
      onTopics: (change) => {
        events.topicsChanged(change)
        this.#checkup.hurry('feed')
      },
    })

    const clients = new ClientNotes({ clock, onNew: () => this.#checkup.hurry('clients') })
    const delivery = createDelivery({
      clear,
      clock,
      config,
      events,
      repeats,
      issuers: this.#issuers,
      log: outcomeLog,
      stores: this.#stores,
      tracing,
      onClientNote: ({ clientId }, note) => clients.add(clientId, note),
      onInvalidSetting: (rp, problem) => logger.warn({ client: rp.clientId, problem }, 'RP setting ignored'),
    })
    this.#sender = delivery.sender
    this.#core = delivery.core
    this.#shadowLeftovers = createShadowLeftovers(config, this.#stores, {
      clock,
      log: {
        append: async (records) => {
          await this.#topics.ensure(config.kafka.shadowTopic, { holdsLargeRecords: false })
          await outcomeLog.append(records)
        },
      },
      onEnded: (count) => logger.info({ count }, 'ended what a shadow has parked'),
      onFault: (what, error) => logger.warn({ error: messageOf(error) }, `${what} failed`),
    })
    const letterLimit = new RecordLimit(this.#topics, config.kafka.deadLetterTopic)
    this.#deadLetters = new DeadLetters({
      log: letterLog,
      topic: config.kafka.deadLetterTopic,
      recordBytesMax: () => letterLimit.read(),
      onCut: (record) => events.recordCut(record),
      ...repeats.step('dead-letters', 'publishing dead letters', (error, failures) =>
        events.fault('kafka-dead-letter', error, failures),
      ),
    })
    const pipeline = createPipeline(this.#issuers, this.#mapping, this.#stores.clientStates)
    this.#intake = new Intake({
      clear,
      clock,
      events,
      registry,
      admission: this.#core.admission,
      deadLetters: this.#deadLetters,
      endpoints: delivery.endpoints,
      isBeforeStart: (record) => this.#registryWatch.isBeforeStart(record),
      onRefused: (record, reason) => edges.recordRefused(record, withoutIdentifiers(reason)),
      onUnknownType: (type, record) => types.note(type, record),
      open: this.#core.open,
      pipeline,
      registryStep: repeats.step('intake', 'reading owed deliveries from Redis', (error, failures) =>
        events.fault('redis', error, failures),
      ),
      relyingParties: this.#core.relyingParties,
      settings: this.#core.settings,
      tracing,
    })
    const committing = repeats.step('commits', 'committing positions', (error) => events.commitFailed(error))
    this.#assignment = new Assignment({
      source: this.#source,
      work: this.#intake.work,
      commitIntervalMs: config.kafka.commitIntervalMs,
      doesStartMove: config.mode === 'shadow',
      onCommitFailed: (error) => committing.onError(error, 1),
      onCommitted: committing.onRecovered,
      onOutcomeSkipped: () => events.skipped('outcome'),
      onGap: (gap) => events.gap(gap),
      handOver: () => this.#core.admission.handOver(),
      onRevoked: () => this.#registryWatch.writePositions(),
    })

    this.#registryWatch = createRegistryWatch({
      clock,
      config,
      events,
      assignment: this.#assignment,
      core: this.#core,
      edges,
      inputs: this.#inputs,
      pipeline,
      readiness: this.#readiness,
      reader: new KafkaLogReader(kafka, this.#topics, { prepare: pipeline.decoders.prepare }),
      stores: this.#stores,
    })

    const issuerLooks = createIssuerLooks(config, this.#issuers, clock)
    const checked = {
      inputs: this.#inputs,
      issuerLooks,
      issuers: this.#issuers,
      mapping: this.#mapping,
      redis: this.#redis,
      topics: this.#topics,
      webhooks: this.#webhooks,
    }
    const hasOwnTopics = () => this.#hasOwnTopics
    if (this.#mapping.schemas !== undefined)
      this.#mapping.schemas.onChange = () => this.#checkup.hurry('schemas')
    this.#checkup = createCheckup({
      clear,
      clients,
      config,
      edges,
      events,
      hasOwnTopics,
      keys,
      types,
      ...checked,
    })

    const state = {
      assignment: this.#assignment,
      backlog,
      checkup: this.#checkup,
      clock,
      core: this.#core,
      delivery: config.delivery,
      guard,
      issuers: this.#issuers,
      lag: new ConsumerLag(() => this.#topics.bounds(this.#inputs.names, this.#inputs.names)),
      rebuilding: () => this.#readiness.rebuilding,
      rules: () => this.#mapping.uses(),
    }
    const notReady = () => this.notReady()
    const isReady = () => Object.keys(this.notReady()).length === 0
    exportMetrics(metrics, { ...state, isReady, issuerLooks })
    const page = new StatusPage({ ...state, failures, metrics, mode: config.mode, notReady, version })
    this.#http = new HttpServer(metrics, this, page)
  }

  /** Resolves when the service consumes, or was stopped before. Throws only what waiting cannot mend. */
  async start(): Promise<void> {
    const config = this.#config
    if (config.mode === 'shadow') this.#logger.warn('shadow mode: no logout is sent')
    await this.#mapping.open()
    await this.#issuers.load()
    for (const line of signingLines(this.#issuers, systemClock.now())) this.#logger.info(line, 'signing keys')
    const reload = reloadEvents({
      events: this.#events,
      hurry: (part) => this.#checkup.hurry(part),
      logger: this.#logger,
    })
    this.#mapping.watch(config.signingKeys.reloadMs, reload)
    this.#issuers.watch(config.signingKeys.reloadMs, reload)
    const port = await this.#http.listen(config.http.port, config.http.bindAddress)
    this.#logger.info({ port }, 'listening')
    await this.#webhooks.start(config.signingKeys.reloadMs)
    this.#inputs.makeOptional(this.#webhooks.topics)
    this.#redis.start()
    await this.#redisUp.wait()
    await this.#retry('kafka-topics', () => this.#findTopics())
    this.#readiness.letIn('kafka')
    this.#hasOwnTopics = true
    this.#checkup.hurry('topics')
    await this.#checkup.start(this.#stopping.signal)
    await this.#registryWatch.start(this.#stopping.signal)
    const { clients, clientStates, summaries } = this.#stores
    await new ClientStatesRefresh(clientStates, clients).start(this.#stopping.signal)
    if (this.#stopping.signal.aborted) return
    const { relyingParties } = this.#core
    if (config.mode === 'live') await this.#shadowLeftovers.start(this.#stopping.signal)
    void writeSummaries({ clock: systemClock, relyingParties, store: summaries }, this.#stopping.signal)
    this.#core.backlogLoop.start()
    await this.#source.start(this.#assignment, this.#stopping.signal)
    this.#isStarted = true
    const { names, patterns } = config.kafka.topics
    const topics = [...names, ...patterns]
    this.#logger.info({ mode: config.mode, topics, outcomes: config.kafka.outcomeTopic }, 'consuming')
  }

  /**
   * Stops fetching and claiming, lets attempts under way end within the drain deadline, parks the rest, publishes
   * what is to be published, commits, leaves the group.
   */
  async stop(): Promise<void> {
    const endsAtMs = performance.now() + this.#config.service.drainMs
    this.#stopping.abort()
    this.#redisUp.open()
    const webhooks = this.#webhooks.drain(WEBHOOKS_MS)
    this.#intake.stop()
    await this.#assignment.stop(1_000)
    await settledWithin(this.#core.backlogLoop.stop(), 1_000)
    await settledWithin(this.#core.parkWaiting(), FLUSH_MS)
    while (this.#core.dispatcher.inFlight > 0 && performance.now() < endsAtMs) await delay(10)
    await settledWithin(this.#sender.close(), 1_000)
    await settledWithin(this.#flush(), FLUSH_MS)
    await settledWithin(this.#registryWatch.writePositions(), FLUSH_MS)
    await this.#source.stop()
    this.#core.stop()
    this.#deadLetters.stop()
    await webhooks
    await Promise.all([this.#log.close(), this.#letterLog.close(), this.#webhookLog.close()])
    await this.#topics.close()
    await settledWithin(this.#redis.leave(), LEAVE_MS)
    this.#redis.close()
    this.#issuers.close()
    this.#mapping.close()
    await this.#http.close()
    if (this.#tracing !== undefined) await settledWithin(this.#tracing.flush(), FLUSH_MS)
    this.#logger.info({ unsettled: this.#core.open.size }, 'stopped')
  }

  notReady(): Record<string, string> {
    const parts = this.#readiness.notReady({
      redis: this.#redis,
      guard: this.#stores.guard,
      checkup: this.#checkup,
      repeats: this.#repeats,
      stopping: this.#stopping.signal,
    })
    return { ...parts, ...this.#webhooks.notReady() }
  }

  get mode(): Config['mode'] {
    return this.#config.mode
  }

  get issuers(): JwksSource {
    return this.#issuers
  }

  async #findTopics(): Promise<void> {
    const { deadLetterTopic, outcomeTopic } = this.#config.kafka
    await this.#inputs.look()
    try {
      for (const topic of this.#inputs.selection.names) await this.#topics.partitions(topic)
    } catch (error) {
      // Kafka answers: the checks tell which topic is missing, and how to create it.
      if (codeOf(error) === 'LR_TOPIC_MISSING') void this.#checkup.start(this.#stopping.signal)
      throw error
    }
    await this.#topics.ensure(outcomeTopic, { holdsLargeRecords: false })
    await this.#topics.ensure(deadLetterTopic, { holdsLargeRecords: true })
  }

  async #flush(): Promise<void> {
    await this.#core.parking.idle()
    await this.#core.settlement.idle()
    await this.#deadLetters.idle()
  }

  async #retry(part: string, step: () => Promise<void>): Promise<void> {
    for (let failures = 0; !this.#stopping.signal.aborted; ) {
      try {
        await step()
        return
      } catch (error) {
        failures++
        this.#readiness.failed('kafka', error)
        this.#events.fault(part, error, failures)
        await delay(Math.min(250 * 2 ** (failures - 1), START_RETRY_MS_MAX), this.#stopping.signal)
      }
    }
  }
}
