import { type ContainerService, hasDocker, startContainer } from './docker-compose.ts'
import { type KafkaClusterOptions, startKafkaCluster } from './kafka-cluster.ts'
import { missingForKafka } from './kafka-distribution.ts'
import { requireReachable } from './reachable.ts'
import { missingForRedis } from './redis-binary.ts'
import { startRedisServer } from './redis-server.ts'

/** The Kafka and the Redis that the demo, the tests and the bench work on. */
export interface Stack extends AsyncDisposable {
  /** As in KAFKA_BROKERS. */
  readonly kafkaBrokers: string
  /** As in REDIS_URL. */
  readonly redisUrl: string
  /** Ends what was started for this stack, and leaves alone what was given. Idempotent. */
  stop(): Promise<void>
}

export type StackOptions = Pick<KafkaClusterOptions, 'isLongLived'>

interface Server {
  readonly address: string
  stop(): Promise<void>
}

const names: Record<ContainerService, string> = { kafka: 'Kafka', redis: 'Redis' }

/** A way to come to a server, or what would have to be done for there to be one. */
type Plan = { readonly start: () => Promise<Server> } | { readonly advice: string }

/**
 * Takes the servers that KAFKA_BROKERS and REDIS_URL name; starts those that are not named, as processes, else in
 * Docker. What it starts ends with this process at the latest, however that ends.
 *
 * Throws an error that says what to install when a server can be had in no way.
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const plans = await Promise.all([planKafka(options), planRedis()])
  const advice = plans.flatMap((plan) => ('advice' in plan ? [plan.advice] : []))
  if (advice.length > 0) throw new Error(advice.join('\n'))
  const starts = plans.flatMap((plan) => ('start' in plan ? [plan.start()] : []))
  const [kafka, redis] = (await allOrNone(starts)) as [Server, Server]
  const stop = async () => {
    await Promise.all([kafka.stop(), redis.stop()])
  }
  return { kafkaBrokers: kafka.address, redisUrl: redis.address, stop, [Symbol.asyncDispose]: stop }
}

async function planKafka(options: StackOptions): Promise<Plan> {
  const given = process.env.KAFKA_BROKERS
  if (given) return external('KAFKA_BROKERS', given, given.split(','))
  const missing = await missingForKafka()
  if (missing === undefined) {
    return {
      start: async () => {
        const cluster = await startKafkaCluster(options)
        return { address: cluster.brokers, stop: () => cluster.stop() }
      },
    }
  }
  return inDocker('kafka', 'KAFKA_BROKERS', missing, (port) => `127.0.0.1:${port}`)
}

async function planRedis(): Promise<Plan> {
  const given = process.env.REDIS_URL
  if (given) {
    const { hostname, port } = new URL(given)
    return external('REDIS_URL', given, [`${hostname}:${port || '6379'}`])
  }
  const missing = await missingForRedis()
  if (missing === undefined) {
    return {
      start: async () => {
        const server = await startRedisServer()
        return { address: server.url, stop: () => server.stop() }
      },
    }
  }
  return inDocker('redis', 'REDIS_URL', missing, (port) => `redis://127.0.0.1:${port}`)
}

function external(setting: string, address: string, hosts: readonly string[]): Plan {
  return {
    start: async () => {
      await requireReachable(setting, hosts)
      return { address, stop: async () => {} }
    },
  }
}

async function inDocker(
  service: ContainerService,
  setting: string,
  missing: string,
  addressOf: (port: number) => string,
): Promise<Plan> {
  if (await hasDocker()) {
    return {
      start: async () => {
        const container = await startContainer(service)
        return { address: addressOf(container.port), stop: () => container.stop() }
      },
    }
  }
  const ways = [
    `install ${missing}`,
    'start Docker, with its compose plugin',
    `set ${setting} to a server's address`,
  ]
  return {
    advice: `This machine has no ${names[service]} to offer. Do one of these:\n- ${ways.join('\n- ')}`,
  }
}

/** When one start fails, what the others have started is stopped before the failure is thrown. */
async function allOrNone(starts: readonly Promise<Server>[]): Promise<Server[]> {
  const results = await Promise.allSettled(starts)
  const servers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failure = results.find((result) => result.status === 'rejected')
  if (failure === undefined) return servers
  await Promise.all(servers.map((server) => server.stop()))
  throw failure.reason
}
