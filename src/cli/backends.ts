import { webhookTopics } from '../app/webhook-intake.ts'
import { type Config, type Layout, layout, type Placed } from '../config/config.ts'
import type { TopicSelection } from '../events/topic-selection.ts'
import { InputTopics } from '../intake/input-topics.ts'
import { createKafkaClient } from '../kafka/kafka-client.ts'
import { KafkaTopics } from '../kafka/kafka-topics.ts'
import { setSystemClock, systemClock } from '../lib/clock.ts'
import { messageOf, RelayFault } from '../lib/errors.ts'
import { RedisConnection } from '../redis/redis-connection.ts'

/**
 * How long a command waits for Kafka or Redis before it says that it is out of reach. Kafka's brokers are asked one
 * after the other; one Redis answers soon or not at all.
 */
const REACH_MS = { Kafka: 10_000, Redis: 5_000 } as const

/** What `openKafka` must be given. */
export const kafkaClient = {
  brokers: layout.kafka.brokers,
  isTls: layout.kafka.isTls,
  tls: layout.kafka.tls,
  sasl: layout.kafka.sasl,
} as const satisfies Layout

/** A connection to Redis that is up. Throws `LR_UNREACHABLE`; whoever opens it closes it. */
export async function openRedis(config: Config['redis']): Promise<RedisConnection> {
  let lastError: unknown
  let up = (): void => undefined
  const isUp = new Promise<void>((resolve) => {
    up = resolve
  })
  const redis = new RedisConnection({
    url: config.url,
    security: config,
    onUp: () => up(),
    onDown: (error) => {
      lastError = error
    },
  })
  redis.start()
  try {
    await inTime(isUp, 'Redis', () => lastError)
    return redis
  } catch (error) {
    redis.close()
    throw error
  }
}

/** Clocks that differ by less agree well enough. */
const CLOCKS_DIFFER_MS = 1_000

/**
 * Makes this command go by the clock of Redis. The relays' clocks agree, while a command may run on any machine: by a clock
 * that is wrong it would park deliveries for another day, or take a login for one of the future.
 */
export async function goByClockOf(redis: RedisConnection): Promise<void> {
  const [seconds, micros] = (await reachable('Redis', redis.command('TIME'))) as [string, string]
  const redisMs = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000)
  if (Math.abs(redisMs - systemClock.now()) > CLOCKS_DIFFER_MS) setSystemClock(redisMs)
}

export interface KafkaBackend {
  readonly kafka: ReturnType<typeof createKafkaClient>
  readonly topics: KafkaTopics
}

/** A client of Kafka whose brokers have answered. Throws `LR_UNREACHABLE`; whoever opens it closes `topics`. */
export async function openKafka(config: Placed<typeof kafkaClient>): Promise<KafkaBackend> {
  let lastError: unknown
  const kafka = createKafkaClient(
    config.brokers,
    'logout-relay-cli',
    (level, message) => {
      if (level === 'warn') lastError = new Error(message)
    },
    config,
  )
  const topics = new KafkaTopics(kafka, config)
  const isUp = topics.ask((admin) => admin.describeCluster())
  try {
    await inTime(isUp, 'Kafka', () => lastError)
    return { kafka, topics }
  } catch (error) {
    await topics.close()
    throw error
  }
}

async function inTime(
  isUp: Promise<unknown>,
  name: keyof typeof REACH_MS,
  lastError: () => unknown,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(lastError() ?? new Error('it does not answer')), REACH_MS[name])
  })
  try {
    await Promise.race([isUp, late])
  } catch (error) {
    throw new RelayFault('LR_UNREACHABLE', `${name} could not be reached: ${messageOf(error)}`, {
      cause: error,
    })
  } finally {
    clearTimeout(timer)
  }
}

/** What a relay with these settings reads now; the topics of `intakeFile`'s sources need not exist. Throws `LR_UNREACHABLE`. */
export async function inputTopics(
  selection: TopicSelection,
  topics: KafkaTopics,
  intakeFile: string | undefined,
): Promise<InputTopics> {
  const inputs = new InputTopics(selection, topics)
  inputs.makeOptional(await webhookTopics(intakeFile, selection))
  await reachable('Kafka', inputs.look())
  return inputs
}

/** Where a record of a command goes by default. Throws `LR_USAGE` when only patterns are configured: they name no topic. */
export function firstNamed({ names }: TopicSelection, remedy: string): string {
  const [first] = names
  if (first !== undefined) return first
  throw new RelayFault(
    'LR_USAGE',
    `${layout.kafka.topics} has only patterns, which name no topic to write to; ${remedy}`,
  )
}

/** For requests to a Kafka or a Redis that answered before: what fails now is told as `LR_UNREACHABLE`. */
export async function reachable<T>(name: string, request: Promise<T>): Promise<T> {
  try {
    return await request
  } catch (error) {
    if (error instanceof RelayFault && error.code !== 'LR_UNAVAILABLE') throw error
    throw new RelayFault('LR_UNREACHABLE', `${name} became unreachable: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
