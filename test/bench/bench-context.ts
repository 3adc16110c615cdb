import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { missingForRedis } from '../stack/redis-binary.ts'
import { startRedisServer } from '../stack/redis-server.ts'
import { createScratchDirectory } from '../stack/scratch-directory.ts'
import { startStack } from '../stack/stack.ts'
import { type Ledger, startLedger } from '../support/ledger/ledger.ts'
import { KafkaLog } from './kafka-log.ts'
import type { RunPlace } from './program.ts'
import { writeSigningKeys } from './signing-keys.ts'
import { ISSUER } from './workload.ts'

const KEYS_PER_SCAN = 1_000

/** What all runs share: the real Kafka and Redis, the relying parties, the keys, a directory for logs. */
export interface BenchContext extends AsyncDisposable {
  readonly redis: Redis
  readonly ledger: Ledger
  openRun(options?: RunOptions): Promise<BenchRun>
}

export interface RunOptions {
  /**
   * A Redis that nobody else uses, where this machine can run one: for what would fill somebody's Redis, or reads
   * from it how much memory it uses.
   */
  readonly ownRedis?: boolean
}

/** A topic, a group and a key space that nobody used before; their traces go when the run is disposed of. */
export interface BenchRun extends AsyncDisposable {
  readonly place: RunPlace
  readonly kafka: KafkaLog
  readonly redis: Redis
  readonly ledger: Ledger
}

/** `origins`: so many relying parties, each at an origin of its own. */
export async function openBenchContext(origins: number): Promise<BenchContext> {
  await using opening = new AsyncDisposableStack()
  const directory = opening.use(createScratchDirectory('bench')).path
  const signingKeysFile = join(directory, 'keys.json')
  const jwks = await writeSigningKeys(signingKeysFile)
  const { kafkaBrokers, redisUrl, stop } = await startStack({ isLongLived: true })
  opening.defer(stop)
  const ledger = opening.use(await startLedger({ origins, verify: 'sample', jwks, issuer: ISSUER }))
  const redis = new Redis(redisUrl)
  opening.defer(() => redis.disconnect())
  const resources = opening.move()

  return {
    redis,
    ledger,
    openRun: async ({ ownRedis = false } = {}) => {
      await using starting = new AsyncDisposableStack()
      const name = `bench-${randomBytes(6).toString('hex')}`
      const logFile = join(directory, `${name}.log`)
      starting.defer(async () => rm(logFile, { force: true }))
      const own =
        ownRedis && (await missingForRedis()) === undefined
          ? starting.use(await startRedisServer())
          : undefined
      const runRedis = own === undefined ? redis : new Redis(own.url)
      if (own === undefined) starting.defer(async () => removeKeys(redis, `${name}:*`))
      else starting.defer(() => runRedis.disconnect())
      // kafkajs asks for the metadata of every topic that a client ever used and fails on a deleted one.
      const kafka = new KafkaLog(kafkaBrokers)
      await kafka.connect()
      starting.defer(async () => kafka.disconnect())
      await kafka.createTopic(name)
      starting.defer(async () => kafka.remove(name, name))
      const traces = starting.move()
      return {
        place: {
          kafkaBrokers,
          redisUrl: own?.url ?? redisUrl,
          topic: name,
          groupId: name,
          redisPrefix: name,
          signingKeysFile,
          logFile,
        },
        kafka,
        redis: runRedis,
        ledger,
        [Symbol.asyncDispose]: async () => traces.disposeAsync(),
      }
    },
    [Symbol.asyncDispose]: async () => resources.disposeAsync(),
  }
}

/** The Redis may be somebody's own, so nothing but these keys is touched. */
async function removeKeys(redis: Redis, pattern: string): Promise<void> {
  for await (const keys of redis.scanStream({ match: pattern, count: KEYS_PER_SCAN })) {
    if (keys.length > 0) await redis.unlink(...(keys as string[]))
  }
}
