import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import type { RecordPosition, WireRecord } from '../../src/events/wire-record.ts'
import type { RecordBatch, RecordListener } from '../../src/intake/record-source.ts'
import { createKafkaClient } from '../../src/kafka/kafka-client.ts'
import { KafkaRecordSource } from '../../src/kafka/kafka-record-source.ts'
import { eventually } from '../support/eventually.ts'
import { namedTopics } from '../support/named-topics.ts'
import { TopicLog } from '../support/topic-log.ts'

/** Takes everything, and calls settled what a test says. */
class Listener implements RecordListener {
  readonly values: string[] = []
  readonly positions = new Map<number, number>()
  settles = true
  revocations = 0
  /** What it was told about its partitions, in order. */
  readonly told: ('assigned' | 'lost')[] = []
  readonly #topic: string

  constructor(topic: string) {
    this.#topic = topic
  }

  onBatch({ partition, records, nextOffset }: RecordBatch<Iterable<WireRecord>>): void {
    for (const { value } of records) this.values.push(String(value))
    if (this.settles) this.positions.set(partition, nextOffset)
  }

  async onRevoking(): Promise<void> {
    this.revocations++
  }

  onLost(): void {
    this.told.push('lost')
  }

  onAssigned(partitions: readonly { partition: number; position: number }[]): void {
    this.told.push('assigned')
    const kept = new Map(this.positions)
    this.positions.clear()
    for (const { partition, position } of partitions) {
      this.positions.set(partition, Math.max(kept.get(partition) ?? 0, position))
    }
  }

  onMoved({ partition, position }: { partition: number; position: number }): void {
    this.positions.set(partition, position)
  }

  nextWanted({ partition }: { partition: number }): number | undefined {
    return this.positions.get(partition)
  }

  committable(): RecordPosition[] {
    return [...this.positions].map(([partition, offset]) => ({ topic: this.#topic, partition, offset }))
  }
}

let topic: TopicLog
let groupId: string
const sources: KafkaRecordSource[] = []

beforeEach(async () => {
  topic = await TopicLog.create(inject('kafkaBrokers'), `it-source-${randomUUID()}`)
  groupId = `${topic.name}.group`
})
afterEach(async () => {
  await Promise.all(sources.splice(0).map((source) => source.stop()))
  await topic.remove(groupId)
})

interface ConsumeOptions {
  readonly startFrom?: 'latest' | 'earliest'
  readonly stallMs?: number
  readonly onTrouble?: (what: string) => void
}

async function consume(listener: RecordListener, options: ConsumeOptions = {}) {
  const { startFrom = 'latest', stallMs = 45_000, onTrouble = () => undefined } = options
  const source = new KafkaRecordSource({
    epoch: () => undefined,
    onElsewhere: () => undefined,
    kafka: createKafkaClient(inject('kafkaBrokers').split(','), 'test', () => undefined),
    inputs: namedTopics(topic.name),
    groupId,
    startFrom,
    stallMs,
    onTrouble,
    sessionTimeoutMs: 3_000,
    onMembership: () => undefined,
    edges: { positionPassed: () => undefined, openTransactions: () => undefined },
    recall: async () => [],
    keep: async () => undefined,
  })
  sources.push(source)
  await source.start(listener, new AbortController().signal)
  return source
}

const messages = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({ key: `${name}-${i}`, value: `${name}-${i}` }))
const valuesOf = (name: string, count: number) => messages(name, count).map(({ value }) => value)

const hasRead = (listener: Listener, wanted: readonly string[]) =>
  eventually(() => expect([...listener.values].sort()).toEqual([...wanted].sort()))

test('a new group that starts at the end and ends before its first commit misses nothing', async () => {
  await topic.publish(...messages('old', 20))
  const first = new Listener(topic.name)
  first.settles = false
  const source = await consume(first)
  await topic.publish(...messages('seen', 5))
  await hasRead(first, valuesOf('seen', 5))
  await source.stop()
  await topic.publish(...messages('between', 5))

  const second = new Listener(topic.name)
  await consume(second)
  await hasRead(second, [...valuesOf('seen', 5), ...valuesOf('between', 5)])
})

test('a new group can start at the beginning', async () => {
  await topic.publish(...messages('old', 20))
  const listener = new Listener(topic.name)
  await consume(listener, { startFrom: 'earliest' })
  await hasRead(listener, valuesOf('old', 20))
})

test('partitions that are added later are read from their beginning, also by a group that began at the end', async () => {
  await topic.publish(...messages('old', 10))
  const first = new Listener(topic.name)
  const source = await consume(first)
  await topic.publish(...messages('before', 10))
  await hasRead(first, valuesOf('before', 10))
  await source.stop()
  await topic.addPartitions(6)
  const added = [3, 4, 5].map((partition) => ({ partition, value: `added-${partition}` }))
  await eventually(() => topic.publishFresh(...added))

  const second = new Listener(topic.name)
  await consume(second)
  // A send to a partition whose leader is not there yet is repeated, so a record may be there twice.
  await eventually(() =>
    expect([...new Set(second.values)].sort()).toEqual(['added-3', 'added-4', 'added-5']),
  )
})

test('a member that stays when another joins and leaves reads its records once', async () => {
  const first = new Listener(topic.name)
  const staying = await consume(first)
  await topic.publish(...messages('a', 50))
  await hasRead(first, valuesOf('a', 50))
  const second = new Listener(topic.name)
  const guest = await consume(second)
  expect(first.revocations).toBe(1)
  await topic.publish(...messages('b', 50))
  await eventually(() => expect(first.values.length + second.values.length).toBe(100))
  await guest.stop()
  await topic.publish(...messages('c', 50))
  const all = [...valuesOf('a', 50), ...valuesOf('b', 50), ...valuesOf('c', 50)]
  await eventually(() => expect(first.values.length + second.values.length).toBeGreaterThanOrEqual(150))
  expect([...first.values, ...second.values].sort()).toEqual(all.sort())
  await staying.commit()
  expect(await topic.lag(groupId)).toBe(0)
})

test('a partition that is paused is not read, and goes on where it was', async () => {
  const listener = new Listener(topic.name)
  const source = await consume(listener)
  for (const partition of [0, 1, 2]) source.pause({ topic: topic.name, partition })
  await topic.publish({ partition: 0, value: 'paused' })
  for (const partition of [1, 2]) source.resume({ topic: topic.name, partition })
  await topic.publish({ partition: 1, value: 'open' }, { partition: 2, value: 'open too' })
  await hasRead(listener, ['open', 'open too'])
  source.resume({ topic: topic.name, partition: 0 })
  await hasRead(listener, ['open', 'open too', 'paused'])
})

test('a consumer that silently stops asking for records is replaced, and reads on where it was', async () => {
  interface Runner {
    readonly consumerGroup: { readonly groupId: string }
    fetch(nodeId: string): Promise<unknown>
  }
  const internals = createRequire(import.meta.url)('kafkajs/src/consumer/runner') as { prototype: Runner }
  const fetch = internals.prototype.fetch
  const trouble: string[] = []
  const listener = new Listener(topic.name)
  await topic.publish(...messages('before', 5))
  await consume(listener, { startFrom: 'earliest', stallMs: 2_000, onTrouble: (what) => trouble.push(what) })
  await hasRead(listener, valuesOf('before', 5))
  let stalled: Runner | undefined
  internals.prototype.fetch = function stallsOnce(this: Runner, nodeId) {
    if (this.consumerGroup.groupId === groupId) stalled ??= this
    return this === stalled ? new Promise(() => undefined) : fetch.call(this, nodeId)
  }
  try {
    await eventually(() => expect(stalled).toBeDefined())
    await topic.publish(...messages('after', 5))
    await eventually(() => expect(trouble).toContain('stalled'))
    await hasRead(listener, [...valuesOf('before', 5), ...valuesOf('after', 5)])
    expect(listener.told).toEqual(['assigned', 'lost', 'assigned'])
  } finally {
    internals.prototype.fetch = fetch
  }
})

interface Group {
  readonly groupId: string
  memberId: string | null
  readonly offsetManager: { memberId: string; commitOffsets(request: unknown): Promise<void> }
  heartbeat(request: { interval: number }): Promise<void>
}

/** Runs `step` with every heartbeat of the member going through `beat`, which may leave it out. */
async function withHeartbeats(beat: (group: Group) => boolean, step: () => Promise<void>): Promise<void> {
  const internals = createRequire(import.meta.url)('kafkajs/src/consumer/consumerGroup') as {
    prototype: Group
  }
  const heartbeat = internals.prototype.heartbeat
  internals.prototype.heartbeat = async function watched(this: Group, request) {
    if (this.groupId !== groupId || beat(this)) await heartbeat.call(this, request)
  }
  try {
    await step()
  } finally {
    internals.prototype.heartbeat = heartbeat
  }
}

test('a member that the group has given up learns that its partitions are not its own before it joins again', async () => {
  const listener = new Listener(topic.name)
  await consume(listener)
  let isForgotten = false
  const forgetOnce = (group: Group) => {
    if (!isForgotten) group.memberId = 'nobody'
    isForgotten = true
    return true
  }
  await withHeartbeats(forgetOnce, async () => {
    await eventually(() => expect(listener.told).toEqual(['assigned', 'lost', 'assigned']))
  })
})

test('a member that learns by a commit that the group has given it up starts nothing more and joins again', async () => {
  const listener = new Listener(topic.name)
  const source = await consume(listener)
  let member: Group | undefined
  const neverBeat = (group: Group) => {
    member ??= group
    return group !== member
  }
  await withHeartbeats(neverBeat, async () => {
    await eventually(() => expect(member).toBeDefined())
    if (member !== undefined) member.offsetManager.memberId = 'nobody'
    await topic.publish(...messages('a', 5))
    await hasRead(listener, valuesOf('a', 5))
    await expect(source.commit()).rejects.toThrow('not aware of this member')
    expect(listener.told).toEqual(['assigned', 'lost'])
    await eventually(() => expect(listener.told).toEqual(['assigned', 'lost', 'assigned']))
  })
})

test('a commit that never gets an answer holds up neither the commits of the next membership nor the end', async () => {
  const listener = new Listener(topic.name)
  const source = await consume(listener)
  const members: Group[] = []
  const noteMember = (group: Group) => {
    if (!members.includes(group)) members.push(group)
    return true
  }
  const silence = async (index: number) => {
    await eventually(() => expect(members.length).toBeGreaterThan(index))
    const manager = members[index]?.offsetManager
    if (manager !== undefined) manager.commitOffsets = () => new Promise(() => undefined)
  }
  await withHeartbeats(noteMember, async () => {
    await silence(0)
    await topic.publish(...messages('a', 5))
    await hasRead(listener, valuesOf('a', 5))
    void source.commit().catch(() => undefined)
    if (members[0] !== undefined) members[0].memberId = 'nobody'
    await eventually(() => expect(listener.told).toEqual(['assigned', 'lost', 'assigned']))
    await source.commit()
    expect(await topic.lag(groupId)).toBe(0)

    await silence(0)
    await topic.publish(...messages('b', 5))
    await hasRead(listener, [...valuesOf('a', 5), ...valuesOf('b', 5)])
    void source.commit().catch(() => undefined)
    await source.stop()
  })
})
