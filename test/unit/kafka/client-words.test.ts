import { createRequire } from 'node:module'
import { expect, test } from 'vitest'
import { inPlainWords, plainText } from '../../../src/kafka/client-words.ts'
import { codeOf, messageOf, RelayFault } from '../../../src/lib/errors.ts'

type Errors = Record<string, new (message: unknown, details?: object) => Error>
const errors = createRequire(import.meta.url)('kafkajs/src/errors.js') as Errors
/** What only a reader of kafkajs' source understands. */
const LIBRARY_WORDS = /KafkaJS|\(key: \d|seed broker|cached metadata|broker pool|Invariant|in-?flight|lock/i

const broker = 'b1:9092'
const protocol = (message: string, type: string) => Object.assign(new Error(message), { type, code: 27 })
const make = (name: string, message: unknown, details = {}) => {
  const Kind = errors[name]
  if (Kind === undefined) throw new Error(`kafkajs has no ${name}`)
  return new Kind(message, details)
}
const timedOut = make('KafkaJSRequestTimeoutError', 'Request Metadata(key: 3, version: 6) timed out', {
  broker,
})

test.each([
  ['a connection', make('KafkaJSConnectionError', 'Connection timeout', { broker }), broker],
  ['a refusal', make('KafkaJSConnectionError', 'Connection error: connect ECONNREFUSED', { broker }), broker],
  ['a code', make('KafkaJSConnectionError', 'Connection error: x', { broker, code: 'ECONNREFUSED' }), broker],
  [
    'a closed connection',
    make('KafkaJSConnectionClosedError', 'Closed connection', { host: 'b1', port: 9092 }),
    broker,
  ],
  ['a request', timedOut, 'Metadata'],
  ['retries', make('KafkaJSNumberOfRetriesExceeded', timedOut, { retryCount: 5, retryTime: 900 }), broker],
  ['a broker', make('KafkaJSBrokerNotFound', 'Broker 7 not found in the cached metadata'), '7'],
  ['no broker', make('KafkaJSBrokerNotFound', 'No brokers in the broker pool'), 'broker'],
  ['no broker left', make('KafkaJSNoBrokerAvailableError', ''), 'broker'],
  ['metadata', make('KafkaJSMetadataNotLoaded', 'Producing to topic without metadata'), 'partitions'],
  ['a lock', make('KafkaJSLockTimeout', 'Timeout while acquiring lock (1 waiting locks)'), 'brokers'],
  ['a bug', make('KafkaJSInvariantViolation', 'Correlation id already exists'), 'broker'],
  [
    'what Kafka says',
    make('KafkaJSProtocolError', protocol('The group is rebalancing', 'REBALANCE_IN_PROGRESS')),
    'REBALANCE_IN_PROGRESS',
  ],
])('%s: said without words of the library, with the original as the cause', (_, error, named) => {
  const fault = inPlainWords(error)
  expect(fault).toMatchObject({ code: 'LR_UNAVAILABLE', cause: error })
  expect(messageOf(fault)).not.toMatch(LIBRARY_WORDS)
  expect(messageOf(fault)).toContain(named)
})

test("what is not the library's is left as it is", () => {
  const own = new RelayFault('LR_REFUSED', 'no right')
  const ofSystem = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  const ofProgram = new TypeError('x is not a function')
  for (const error of [own, ofSystem, ofProgram, undefined, 'text']) expect(inPlainWords(error)).toBe(error)
  expect(codeOf(inPlainWords(inPlainWords(timedOut)))).toBe('LR_UNAVAILABLE')
})

test('lines of its log as well', () => {
  const lines = [
    'Failed to connect to seed broker, trying another broker from the list: Connection timeout',
    'Failed to connect to seed broker, trying another broker from the list: Failed to connect: x',
    'Crash: KafkaJSNumberOfRetriesExceeded: Connection error: connect ECONNREFUSED b1:9092',
    'KafkaJSConnectionError: Connection closed by the server',
    'Response DescribeConfigs(key: 32, version: 2)',
  ]
  for (const line of lines) {
    expect(plainText(line, broker)).not.toMatch(LIBRARY_WORDS)
    expect(plainText(line, broker)).toContain(broker)
  }
})
