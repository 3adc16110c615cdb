import type { Kafka as KafkaClient, LogEntry } from 'kafkajs'
import { RecentMessages } from '../lib/recent-messages.ts'
import { addressForKafkajs } from './broker-address.ts'
import { CONNECTION_TIMEOUT_MS, type KafkaSecurity, securityConfig } from './kafka-security.ts'
import { kafkajs } from './kafkajs/kafkajs.ts'

const { Kafka, logLevel } = kafkajs

export type KafkaLog = (level: 'error' | 'warn' | 'info' | 'debug', message: string, details: object) => void

/** Short: the service has its own patience, and a dead broker must be noticed before the group gives us up. */
const REQUEST_TIMEOUT_MS = 5_000

/** A client that is quiet when it is idle. */
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
    brokers: inTurn(brokers),
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 5 },
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => forward(entry, recent, log),
  })
}

/**
 * One broker for each attempt to connect: the next, whoever asks, from a random first. Drawn anew each time, a dead one
 * may come up for every attempt of a connect; from a fixed first, it costs every connect a time-out.
 */
function inTurn(brokers: readonly string[]): () => Promise<string[]> {
  let next = Math.floor(Math.random() * brokers.length)
  const addresses = brokers.map(addressForKafkajs)
  return async () => [addresses[next++ % addresses.length] as string]
}

/**
 * kafkajs logs as errors what it then repairs by itself; what matters comes as a thrown error as well. It asks a broker
 * that is away several times a second and says so each time: again within the minute, that is for those who debug.
 */
function forward(
  { level, namespace, log: { message, timestamp, logger, stack, ...details } }: LogEntry,
  recent: RecentMessages,
  log: KafkaLog,
) {
  const line = `kafka ${namespace}: ${message}`
  const isNew = () => recent.isNew(`${line} ${details.broker} ${details.error}`)
  log(level === logLevel.ERROR && isNew() ? 'warn' : 'debug', line, details)
}
