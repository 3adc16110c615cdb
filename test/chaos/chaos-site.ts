import { randomBytes } from 'node:crypto'
import { basename, join } from 'node:path'
import { Redis } from 'ioredis'
import type { KafkaCluster } from '../stack/kafka-cluster.ts'
import { type RedisServer, startRedisServer } from '../stack/redis-server.ts'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { type Ledger, startLedger } from '../support/ledger/ledger.ts'
import { replaceFile } from '../support/signing-key-file.ts'
import { ChaosLog } from './chaos-log.ts'
import { forms } from './form-settings.ts'
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
  readonly issuersFile: string
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
    hasIssuersFile = false,
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
  const issuersFile = join(folder, 'issuers.json')
  const issuers = [{ issuer: ISSUER, keys: { file: basename(file) } }]
  await replaceFile(issuersFile, JSON.stringify({ issuers }))

  const redisServer = opening.use(await startRedisServer({ persistence: redisPersistence }))
  const replica = redisReplica ? opening.use(await startRedisServer()) : undefined
  const endpoint = redisReplica ? opening.use(await MovingEndpoint.open(redisServer.url)) : undefined
  const redisUrl = endpoint?.url ?? redisServer.url
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: null })
  // It is about to be hurt, and the client connects again by itself.
  redis.on('error', () => undefined)
  opening.defer(() => redis.disconnect())
  const { origins } = settings
  const ledger = opening.use(await startLedger({ origins, jwks, verify: 'sample', issuer: ISSUER }))

  const log = opening.use(await ChaosLog.open(cluster.brokers, cluster.size))
  const outcomeTopic = ownOutcomeTopic ? `${name}.outcomes` : name
  for (const topic of new Set([name, outcomeTopic])) await log.createTopic(topic, PARTITIONS)

  const relays = opening.use(
    new RelayFleet({
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
        ...(hasIssuersFile && {
          ISSUER: '',
          SIGNING_KEYS_FILE: '',
          ISSUERS_FILE: issuersFile,
          SIGNING_KEYS_RELOAD_MS: '100',
        }),
        ...settings.env,
        ...env?.[form],
      },
    }),
  )
  const resources = opening.move()
  return {
    name,
    outcomeTopic,
    issuersFile,
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
