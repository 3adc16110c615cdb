import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs'
import { messageOf, RelayFault } from '../errors.ts'
import type { RecordPosition } from '../events/wire-record.ts'
import { delay, settledWithin } from '../lib/deferred.ts'
import { type GroupMember, hookedAssigner } from './group-internals.ts'
import { explained } from './kafka-refusal.ts'
import { wireRecord } from './kafka-wire-record.ts'
import type { RecordBatch, RecordListener, RecordSource, TopicPartition } from './record-source.ts'
import { watchForStall } from './stall-watch.ts'
import { pinStartPositions } from './start-positions.ts'

export interface KafkaRecordSourceOptions {
  readonly kafka: Kafka
  readonly topics: readonly string[]
  readonly groupId: string
  readonly startFrom: 'latest' | 'earliest'
  /** After so long without a heartbeat the group gives a member's partitions to others. Milliseconds. */
  readonly sessionTimeoutMs: number
  /** A member that asks for nothing for so long has come to a standstill, and is replaced. Milliseconds. */
  readonly stallMs: number
  readonly onTrouble: (what: 'crashed' | 'start-failed' | 'commit-failed' | 'stalled', error: unknown) => void
  readonly onMembership: (isMember: boolean) => void
}

const REBALANCE_TIMEOUT_MS = 20_000
const HEARTBEAT_MS = 1_000
const FETCH_WAIT_MS = 200
/** How soon partitions that were added to a topic are read. */
const METADATA_AGE_MS_MAX = 10_000
/** Keeps memory flat: a fetch brings so much of each partition at most, and it is cheaper than the default megabyte. */
const FETCH_BYTES_PER_PARTITION = 32 * 1_024
const RESTART_DELAY_MS = 250
const RESTART_DELAY_MS_MAX = 5_000
const LEAVE_MS_MAX = 5_000
/** Longer than kafkajs waits for an answer. A request that it makes while it gives a connection up gets none, ever. */
const COMMIT_MS_MAX = 6_000

/**
 * A consumer on kafkajs that neither loses nor rewinds. It makes a new kafkajs consumer whenever the old one ends
 * by itself: one way to recover instead of kafkajs' several.
 */
export class KafkaRecordSource implements RecordSource {
  readonly #options: KafkaRecordSourceOptions
  readonly #ended = new AbortController()
  #listener: RecordListener | undefined
  #consumer: Consumer | undefined
  #member: GroupMember | undefined
  #committing: Promise<void> | undefined
  readonly #committed = new Map<string, number>()

  constructor(options: KafkaRecordSourceOptions) {
    this.#options = options
  }

  async start(listener: RecordListener, signal: AbortSignal): Promise<void> {
    this.#listener = listener
    signal.addEventListener('abort', () => this.#ended.abort(), { once: true })
    await this.#connectUntilJoined()
  }

  /** Without a member nothing is fetched, and kafkajs would throw; the next assignment says what is paused. */
  pause({ topic, partition }: TopicPartition): void {
    if (this.#member !== undefined) this.#consumer?.pause([{ topic, partitions: [partition] }])
  }

  resume({ topic, partition }: TopicPartition): void {
    if (this.#member !== undefined) this.#consumer?.resume([{ topic, partitions: [partition] }])
  }

  commit(): Promise<void> {
    return this.#startCommit()
  }

  /** A commit under way may have been started before the last record was settled, so it does not count. */
  async #commitLatest(): Promise<void> {
    await this.#committing?.catch(() => undefined)
    await this.#startCommit()
  }

  #startCommit(): Promise<void> {
    if (this.#committing !== undefined) return this.#committing
    const committing = this.#commitOnce().finally(() => {
      if (this.#committing === committing) this.#committing = undefined
    })
    this.#committing = committing
    return committing
  }

  async stop(): Promise<void> {
    this.#ended.abort()
    // While the consumer still runs: kafkajs drops commits once it has begun to stop.
    const committed = this.#commitLatest().catch((error: unknown) => this.#trouble('commit-failed', error))
    await settledWithin(committed, LEAVE_MS_MAX)
    const consumer = this.#consumer
    this.#consumer = undefined
    this.#member = undefined
    if (consumer !== undefined) await settledWithin(consumer.disconnect(), LEAVE_MS_MAX)
  }

  async #connectUntilJoined(): Promise<void> {
    for (let failures = 0; !this.#ended.signal.aborted; ) {
      const consumer = this.#create()
      try {
        await this.#run(consumer)
        return
      } catch (error) {
        failures++
        this.#member = undefined
        this.#trouble('start-failed', error)
        await settledWithin(consumer.disconnect(), LEAVE_MS_MAX)
        await delay(
          Math.min(RESTART_DELAY_MS * 2 ** (failures - 1), RESTART_DELAY_MS_MAX),
          this.#ended.signal,
        )
      }
    }
  }

  #create(): Consumer {
    const { groupId, kafka, sessionTimeoutMs } = this.#options
    const consumer: Consumer = kafka.consumer({
      groupId,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: HEARTBEAT_MS,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      maxWaitTimeInMs: FETCH_WAIT_MS,
      metadataMaxAge: METADATA_AGE_MS_MAX,
      maxBytesPerPartition: FETCH_BYTES_PER_PARTITION,
      partitionAssigners: [
        hookedAssigner({
          beforeRejoin: async (member) => {
            if (this.#consumer === consumer) await this.#beforeRejoin(member)
          },
          beforeFreshJoin: () => {
            if (this.#consumer === consumer && this.#member !== undefined) this.#lose()
          },
          afterJoin: async (member) => {
            // One that was replaced may come back to life; it has nothing to say any more.
            if (this.#consumer !== consumer) throw unrecoverable(new Error('this consumer was replaced'))
            await this.#afterJoin(member)
          },
        }),
      ],
      // Few: the coordinator is looked up again only when the member joins anew.
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3, restartOnFailure: async () => false },
    })
    return consumer
  }

  async #run(consumer: Consumer): Promise<void> {
    await consumer.connect()
    // Where an offset is gone, by retention or by a new topic, what is left of the log is read from its beginning.
    await consumer.subscribe({ topics: [...this.#options.topics], fromBeginning: true })
    this.#consumer = consumer
    let isJoined = false
    const crashed = new Promise<never>((_, reject) => {
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        if (isJoined) this.#restart(consumer, 'crashed', payload.error)
        else reject(payload.error)
      })
    })
    const isCurrent = () => this.#consumer === consumer && !this.#ended.signal.aborted
    watchForStall(consumer, this.#options.stallMs, isCurrent, (fault) =>
      this.#restart(consumer, 'stalled', fault),
    )
    const joined = new Promise<void>((resolve) => {
      consumer.on(consumer.events.GROUP_JOIN, () => resolve())
    })
    crashed.catch(() => undefined)
    await Promise.race([
      consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: true,
        partitionsConsumedConcurrently: 3,
        eachBatch: async (payload) => {
          if (this.#consumer === consumer) this.#listener?.onBatch(recordBatch(payload))
        },
      }),
      crashed,
    ])
    await Promise.race([joined, crashed])
    isJoined = true
  }

  #trouble(what: 'crashed' | 'start-failed' | 'commit-failed' | 'stalled', error: unknown): void {
    const { groupId, onTrouble, topics } = this.#options
    onTrouble(what, explained(error, `Read on group ${groupId} and on topics ${topics.join(', ')}`))
  }

  #restart(consumer: Consumer, what: 'crashed' | 'stalled', error: unknown): void {
    if (this.#consumer !== consumer || this.#ended.signal.aborted) return
    this.#trouble(what, error)
    this.#consumer = undefined
    this.#lose()
    void settledWithin(consumer.disconnect(), LEAVE_MS_MAX)
      // What ended it may end the next one as well; then this is all that keeps it from spinning.
      .then(() => delay(RESTART_DELAY_MS, this.#ended.signal))
      .then(() => this.#connectUntilJoined())
  }

  #lose(): void {
    this.#member = undefined
    // Of a membership that is over: the next one does not wait for it.
    this.#committing = undefined
    this.#options.onMembership(false)
    this.#listener?.onLost()
  }

  /** A commit may tell what kafkajs, busy with the retries of a fetch, would notice seconds later. */
  #heed(error: unknown): void {
    const { type } = error as { type?: string }
    if (type === 'UNKNOWN_MEMBER_ID' && this.#consumer !== undefined) {
      this.#restart(this.#consumer, 'crashed', error)
    } else if (type === 'ILLEGAL_GENERATION') this.#listener?.onLost()
  }

  /** The group waits for this member meanwhile, so it keeps telling the coordinator that it is alive. */
  async #beforeRejoin(member: GroupMember): Promise<void> {
    this.#options.onMembership(false)
    const alive = setInterval(() => {
      const { groupId, memberId, generationId } = member
      if (memberId === null || generationId === null) return
      member.coordinator
        .heartbeat({ groupId, memberId, groupGenerationId: generationId })
        .catch(() => undefined)
    }, HEARTBEAT_MS)
    try {
      await this.#listener?.onRevoking()
      await this.#commitLatest()
    } catch (error) {
      this.#trouble('commit-failed', error)
    } finally {
      clearInterval(alive)
    }
  }

  async #afterJoin(member: GroupMember): Promise<void> {
    const listener = this.#listener
    if (listener === undefined) return
    try {
      const assigned = await pinStartPositions(member, this.#options.startFrom)
      this.#member = member
      this.#committed.clear()
      for (const { position, ...partition } of assigned) this.#committed.set(nameOf(partition), position)
      listener.onAssigned(assigned)
      for (const partition of assigned) {
        const wanted = listener.nextWanted(partition)
        if (wanted === undefined) continue
        // kafkajs goes back to the committed offset of every partition, also of those that were kept.
        member.seek({ topic: partition.topic, partition: partition.partition, offset: String(wanted) })
      }
      this.#options.onMembership(true)
    } catch (error) {
      throw unrecoverable(error)
    }
  }

  /** One attempt under the generation at hand: a commit that is tried again after a rebalance rewinds the group. */
  async #commitOnce(): Promise<void> {
    const member = this.#member
    if (member === undefined || this.#listener === undefined) return
    const topics = new Map<string, { partition: number; offset: string }[]>()
    const committing: RecordPosition[] = []
    for (const position of this.#listener.committable()) {
      if (this.#committed.get(nameOf(position)) === position.offset) continue
      committing.push(position)
      const list = topics.get(position.topic) ?? []
      list.push({ partition: position.partition, offset: String(position.offset) })
      topics.set(position.topic, list)
    }
    if (committing.length === 0) return
    const request = { topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })) }
    try {
      await answeredWithin(member.commitOffsets(request), COMMIT_MS_MAX)
    } catch (error) {
      if (this.#member === member) this.#heed(error)
      throw error
    }
    if (this.#member !== member) return
    for (const position of committing) this.#committed.set(nameOf(position), position.offset)
  }
}

async function answeredWithin(answer: Promise<unknown>, ms: number): Promise<void> {
  if (!(await settledWithin(answer, ms))) throw new RelayFault('LR_UNAVAILABLE', `no answer within ${ms} ms`)
  await answer
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

function recordBatch({ batch }: EachBatchPayload): RecordBatch {
  const { topic, partition } = batch
  const fetchedOffset = Number((batch as unknown as { fetchedOffset: string }).fetchedOffset)
  return {
    topic,
    partition,
    fetchedOffset,
    nextOffset: Number(batch.lastOffset()) + 1,
    endOffset: Number(batch.highWatermark),
    records: batch.messages.map((message) => wireRecord(topic, partition, message)),
  }
}

/** An error that ends the kafkajs consumer: it must not go on fetching with an assignment that nobody knows. */
function unrecoverable(error: unknown): Error {
  const fault = new RelayFault('LR_UNAVAILABLE', `the start positions are not known: ${messageOf(error)}`, {
    cause: error,
  })
  // The only names for which kafkajs gives up instead of going on; see its runner.
  fault.name = 'KafkaJSNotImplemented'
  return fault
}
