import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import type { KafkaCluster } from '../stack/kafka-cluster.ts'
import { type RedisServer, startRedisServer } from '../stack/redis-server.ts'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { type Ledger, startLedger } from '../support/ledger/ledger.ts'
import { ChaosLog } from './chaos-log.ts'
import { forms } from './form-settings.ts'
import { IssuerFiles } from './issuer-files.ts'
import { MovingEndpoint } from './moving-endpoint.ts'
import { RelayFleet } from './relay-fleet.ts'
import type { Form, Scenery } from './scenario.ts'
import { writeSigningKey } from './signing-key.ts'
import { ISSUER } from './workload.ts'

export const PARTITIONS = 6

/** What one run has to itself: topics, a Redis, relying parties, relays that are not started yet. */
export interface ChaosSite extends AsyncDisposable {
  /** Of the topic, the group and the prefix in Redis. */
  readonly name: string
  readonly outcomeTopic: string
  /** Where the scenery has them. */
  readonly issuerFiles: IssuerFiles | undefined
  readonly cluster: KafkaCluster
  readonly log: ChaosLog
  readonly redisServer: RedisServer
  /** Where the scenery has one. */
  readonly replica: RedisServer | undefined
  readonly endpoint: MovingEndpoint | undefined
  readonly redis: Redis
  readonly ledger: Ledger
  readonly relays: RelayFleet
}

export async function openChaosSite(
  cluster: KafkaCluster,
  form: Form,
  {
    env,
    hasIssuerFiles = false,
    ownOutcomeTopic = false,
    redisPersistence = 'none',
    redisReplica = false,
  }: Scenery,
): Promise<ChaosSite> {
  const settings = forms[form]
  await using opening = new AsyncDisposableStack()
  const name = `chaos-${randomBytes(5).toString('hex')}`
  const folder = opening.use(createScratchDirectory('chaos')).path
  const { file, jwks } = await writeSigningKey(folder)
  const issuerFiles = hasIssuerFiles ? new IssuerFiles(folder) : undefined

  const redisServer = opening.use(await startRedisServer({ persistence: redisPersistence }))
  const replica = redisReplica ? opening.use(await startRedisServer()) : undefined
  const endpoint = redisReplica ? opening.use(await MovingEndpoint.open(redisServer.url)) : undefined
  const redisUrl = endpoint?.url ?? redisServer.url
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null })
  // It is about to be hurt, and the client connects again by itself.
  redis.on('error', () => undefined)
  opening.defer(() => redis.disconnect())
  const { origins } = settings
  const verification =
    issuerFiles === undefined
      ? ({ verify: 'sample', issuer: ISSUER, jwks } as const)
      : ({ verify: 'all', jwksOf: issuerFiles.publicKeys } as const)
  const ledger = opening.use(await startLedger({ origins, ...verification }))

  const log = opening.use(await ChaosLog.open(cluster.brokers, cluster.size))
  const outcomeTopic = ownOutcomeTopic ? `${name}.outcomes` : name
  for (const topic of new Set([name, outcomeTopic])) await log.createTopic(topic, PARTITIONS)

  const relays = opening.use(
    new RelayFleet(
      {
        kafkaBrokers: cluster.brokers,
        redisUrl,
        issuer: ISSUER,
        signingKeysFile: file,
        env: {
          KAFKA_TOPICS: name,
          KAFKA_OUTCOME_TOPIC: outcomeTopic,
          KAFKA_GROUP_ID: name,
          // The work may be on the topic before the first relay is there.
          KAFKA_START_FROM: 'earliest',
          REDIS_PREFIX: name,
          // The issuers are made up; looking for them would ask a name server.
          SIGNING_KEYS_PUBLISHED_CHECK_MS: '0',
          ...settings.env,
          ...env?.[form],
        },
      },
      issuerFiles && ((relay) => issuerFiles.environment(relay)),
    ),
  )
  const resources = opening.move()
  return {
    name,
    outcomeTopic,
    issuerFiles,
    cluster,
    log,
    redisServer,
    replica,
    endpoint,
    redis,
    ledger,
    relays,
    [Symbol.asyncDispose]: async () => resources.disposeAsync(),
  }
}
