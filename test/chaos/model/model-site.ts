import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import type { KafkaCluster } from '../../stack/kafka-cluster.ts'
import { type RedisServer, startRedisServer } from '../../stack/redis-server.ts'
import { createScratchDirectory } from '../../stack/scratch-directory.ts'
import { readiness } from '../../support/readiness.ts'
import { ChaosLog } from '../chaos-log.ts'
import { MovingEndpoint } from '../moving-endpoint.ts'
import { RelayFleet } from '../relay-fleet.ts'
import { writeSigningKey } from '../signing-key.ts'
import { ISSUER } from '../workload.ts'
import { MODEL_PARTITIONS } from './draw-history.ts'
import type { Client } from './history.ts'
import { ModelRelyingParties } from './relying-parties.ts'

/** Longer than `SLOW_MS` of the RPs by more than a busy machine takes. */
const ATTEMPT_TIMEOUT_MS = 3_000

/** Impatient; what is remembered is remembered for longer than any batch takes. */
const SETTINGS = {
  ATTEMPT_TIMEOUT_MS: String(ATTEMPT_TIMEOUT_MS),
  RETRY_LEASE_MS: String(1.5 * ATTEMPT_TIMEOUT_MS),
  COMMIT_INTERVAL_MS: '50',
  RETRY_POLL_MS: '25',
  RETRY_BASE_DELAY_MS: '20',
  RETRY_MAX_DELAY_MS: '200',
  RETRY_DOUBTFUL_DELAYS_MS: '50,100',
  // Less than the age of a history that is late.
  RETRY_DEADLINE_MS: '7200000',
  LATE_AFTER_MS: '7200000',
  TOMBSTONE_MS: '86400000',
  BREAKER_COOLDOWN_MS: '50',
  BREAKER_MAX_COOLDOWN_MS: '200',
  KAFKA_START_FROM: 'latest',
}

export interface ModelSiteOptions {
  readonly cluster: KafkaCluster
  readonly clients: readonly Client[]
  readonly hasReplica: boolean
  /** Members must be given up soon, or must not. */
  readonly sessionTimeoutMs: number
}

/** What one batch has to itself: a topic and one for outcomes, a Redis behind an address, RPs, relays that are not started yet. */
export class ModelSite implements AsyncDisposable {
  readonly name: string
  readonly log: ChaosLog
  readonly rps: ModelRelyingParties
  readonly relays: RelayFleet
  readonly endpoint: MovingEndpoint
  readonly server: RedisServer
  readonly replica: RedisServer | undefined
  readonly #resources: AsyncDisposableStack
  /** Asks whatever is behind the endpoint. */
  readonly redis: Redis

  static async open(options: ModelSiteOptions): Promise<ModelSite> {
    await using opening = new AsyncDisposableStack()
    const name = `model-${randomBytes(5).toString('hex')}`
    const { file, jwks } = await writeSigningKey(opening.use(createScratchDirectory('model')).path)
    const server = opening.use(await startRedisServer({ isDebuggable: true }))
    const replica = options.hasReplica ? opening.use(await startRedisServer()) : undefined
    const endpoint = opening.use(await MovingEndpoint.open(server.url))
    const redis = clientOf(endpoint.url)
    opening.defer(() => redis.disconnect())
    const rps = opening.use(await ModelRelyingParties.listen(options.clients, jwks))
    const log = opening.use(await ChaosLog.open(options.cluster.brokers, options.cluster.size))
    await log.createTopic(name, MODEL_PARTITIONS)
    await log.createTopic(outcomeTopicOf(name), 1)
    const relays = opening.use(
      new RelayFleet({
        kafkaBrokers: options.cluster.brokers,
        redisUrl: endpoint.url,
        issuer: ISSUER,
        signingKeysFile: file,
        env: {
          ...SETTINGS,
          KAFKA_TOPICS: name,
          KAFKA_OUTCOME_TOPIC: outcomeTopicOf(name),
          KAFKA_GROUP_ID: name,
          KAFKA_SESSION_TIMEOUT_MS: String(options.sessionTimeoutMs),
          REDIS_PREFIX: name,
        },
      }),
    )
    const parts = { name, server, replica, endpoint, redis, rps, log, relays }
    return new ModelSite(parts, opening.move())
  }

  private constructor(
    parts: Pick<ModelSite, 'name' | 'server' | 'replica' | 'endpoint' | 'redis' | 'rps' | 'log' | 'relays'>,
    resources: AsyncDisposableStack,
  ) {
    this.name = parts.name
    this.server = parts.server
    this.replica = parts.replica
    this.endpoint = parts.endpoint
    this.redis = parts.redis
    this.rps = parts.rps
    this.log = parts.log
    this.relays = parts.relays
    this.#resources = resources
  }

  get outcomeTopic(): string {
    return outcomeTopicOf(this.name)
  }

  /** Empty when every record is settled, nothing is parked and every relay is ready; else what is open. */
  async open(): Promise<string[]> {
    const [lag, backlog, ...answers] = await Promise.all([
      this.log.lag(this.name, this.name),
      this.redis.keys(`${this.name}:backlog*`),
      ...this.relays.running.map(async ({ url }) => readiness(url).catch(() => undefined)),
    ])
    const isReady = answers.every((answer) => answer?.status === 200)
    return [
      ...(isReady ? [] : [`not ready: ${JSON.stringify(answers.map((answer) => answer?.body))}`]),
      ...(lag > 0 ? [`the group is ${lag} records behind the end`] : []),
      ...(backlog.length > 0 ? [`in the backlog: ${backlog.slice(0, 3).join(', ')}`] : []),
    ]
  }

  /** The `sid` of every registration in Redis. */
  async aliveSids(): Promise<Set<string>> {
    const found = new Set<string>()
    for (const key of await this.redis.keys(`${this.name}:session:*`)) {
      for (const json of await this.redis.hvals(key)) {
        found.add(String((JSON.parse(json) as { sid?: unknown }).sid))
      }
    }
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync()
  }
}

/** It is about to be hurt, and the client connects again by itself. */
export function clientOf(url: string): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
  redis.on('error', () => undefined)
  return redis
}

function outcomeTopicOf(name: string): string {
  return `${name}.outcomes`
}
