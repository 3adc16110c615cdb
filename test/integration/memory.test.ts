import type { Message } from 'kafkajs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { eventually } from '../support/eventually.ts'
import { inputRecord } from '../support/input-record.ts'
import { PATIENCE_MS } from '../support/patience.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

/* What a relay holds in memory is bounded, whatever the topic holds and whoever reads its log. */

const PARTITIONS = 4
const POISON_PER_PARTITION = 10_000
/**
 * What poison may add. Batches that wait take 6 MiB and what one response brings, letters on their way 8 MiB at most; V8
 * lets as much again be garbage, and more before the first full collection.
 */
const MORE_MIB_MAX = 70

let site: RelaySite
beforeEach(async () => {
  site = await openSite({ topic: { partitions: PARTITIONS } })
})
afterEach(() => site.close())

async function isToldBehind(name: string, timeoutMs = PATIENCE_MS): Promise<void> {
  const registration = site.registration(`/${name}`)
  await site.topic.publish(site.registered(registration), site.terminated(registration))
  const { headers } = await site.topic.waitForOutcome(registration.clientId, undefined, timeoutMs)
  expect(headers.ce_type).toBe('backchannel-logout-sent')
}

/** Of a topic that nobody need read. */
async function recordsOn(topic: string): Promise<number> {
  const admin = createKafkaClient(site.kafkaBrokers.split(','), 'test', () => undefined).admin()
  await admin.connect()
  try {
    return (await admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0)
  } finally {
    await admin.disconnect()
  }
}

/** One batch of tiny records for each partition. */
async function publishPoison(): Promise<void> {
  const producer = createKafkaClient(site.kafkaBrokers.split(','), 'test', () => undefined).producer()
  await producer.connect()
  try {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const messages = Array.from(
        { length: POISON_PER_PARTITION },
        (): Message => ({ value: 'x', partition }),
      )
      await producer.send({ topic: site.topic.name, messages })
    }
  } finally {
    await producer.disconnect()
  }
}

test('tens of thousands of poison records in several partitions become dead letters, in little memory', async () => {
  const relay = await site.startRelay()
  await isToldBehind('before')
  const before = relay.memoryMib('VmRSS')
  relay.stopReading()
  await publishPoison()
  const all = PARTITIONS * POISON_PER_PARTITION
  await isToldBehind('behind', 2 * PATIENCE_MS)
  await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  expect(await recordsOn(site.deadLetterTopic)).toBe(all)
  expect(await readMetric(relay, 'dead_letters_total')).toBe(all)
  expect(relay.memoryMib('VmHWM') - before).toBeLessThan(MORE_MIB_MAX)
  relay.readOn()
  await relay.waitForLog((line) => line.further !== undefined)
  expect(relay.log.filter(({ msg }) => msg === 'poison record').length).toBeLessThan(all / 100)
})

test('a log that nobody reads neither holds up deliveries nor the end', async () => {
  const relay = await site.startRelay({ LOG_LEVEL: 'debug' })
  const longId = 'x'.repeat(1_000)
  /** Triggers of which nothing is owed; each is a line of two kilobytes. */
  const flood = async (name: string) => {
    const ids = Array.from({ length: 6_000 }, (_, i) => `${name}-${i}-${longId}`)
    await site.topic.publish(
      ...ids.map((id) => inputRecord('session-terminated', { sessionId: id.slice(0, 1_000) }, { id })),
    )
    await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
  }
  const dropped = () => readMetric(relay, 'log_lines_dropped_total')
  expect(await dropped()).toBe(0)
  relay.stopReading()
  await flood('first')
  await isToldBehind('flood')
  const lines = await dropped()
  expect(lines).toBeGreaterThan(0)
  relay.readOn()
  const told = await relay.waitForLog((line) => line.lines !== undefined)
  expect(Number(told.lines)).toBeGreaterThanOrEqual(lines)

  relay.stopReading()
  await flood('second')
  expect(await dropped()).toBeGreaterThan(Number(told.lines))
  relay.signal('SIGTERM')
  await eventually(() => expect(relay.isRunning).toBe(false))
  relay.readOn()
  expect(await relay.exitStatus()).toBe(137)
})
