import type { Kafka as KafkaClient, LogEntry } from 'kafkajs'
import { messageOf } from '../lib/errors.ts'
import { RecentMessages } from '../lib/recent-messages.ts'
import { addressForKafkajs } from './broker-address.ts'
import { plainText } from './client-words.ts'
import { CONNECTION_TIMEOUT_MS, type KafkaSecurity, securityConfig } from './kafka-security.ts'
import { kafkajs } from './kafkajs/kafkajs.ts'

const { Kafka, logLevel } = kafkajs

export type KafkaLog = (level: 'error' | 'warn' | 'info' | 'debug', message: string, details: object) => void

/** Short: the service itself retries, and must notice a dead broker before the group evicts this member. */
const REQUEST_TIMEOUT_MS = 5_000

/** A client that logs nothing while idle. */
export function createKafkaClient(
  brokers: readonly string[],
  clientId: string,
  log: KafkaLog,
  security: KafkaSecurity = {},
): KafkaClient {
  const recent = new RecentMessages()
  return new Kafka({
    clientId,
    ...securityConfig(security),
    brokers: rotated(brokers),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => forward(entry, recent, log),
  })
}

/**
 * Returns one broker per connection attempt, in rotation from a random first. A random choice could hit a dead broker in
 * every attempt of a connect; a fixed first broker would cost every connect a time-out when it is dead.
 */
function rotated(brokers: readonly string[]): () => Promise<string[]> {
  let next = Math.floor(Math.random() * brokers.length)
  const addresses = brokers.map(addressForKafkajs)
  return async () => [addresses[next++ % addresses.length] as string]
}

/**
 * kafkajs logs errors that it then repairs; serious ones are also thrown. It tries a broker that is away several times a
 * second. Repetitions within a minute go to the debug level.
 */
function forward(
  { level, log: { message, timestamp, logger, stack, helpUrl, ...details } }: LogEntry,
  recent: RecentMessages,
  log: KafkaLog,
) {
  const line = plainText(String(message), details.broker)
  const { error } = details
  const said = error === undefined ? details : { ...details, error: plainText(messageOf(error)) }
  const isNew = () => recent.isNew(`${line} ${said.error}`)
  log(level === logLevel.ERROR && isNew() ? 'warn' : 'debug', line, said)
}
