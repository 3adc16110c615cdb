import type { Consumer, EachBatchPayload, Kafka } from 'kafkajs'
import { selectionText } from '../events/topic-selection.ts'
import type { TopicPartition, WireRecord } from '../events/wire-record.ts'
import type { InputTopics } from '../intake/input-topics.ts'
import type { LogEdges } from '../intake/log-edges.ts'
import type { AssignedPartition, RecordBatch, RecordListener, RecordSource } from '../intake/record-source.ts'
import { delay, settledWithin } from '../lib/deferred.ts'
import { messageOf, RelayFault } from '../lib/errors.ts'
import type { AppliedPosition } from '../registry/epoch-store.ts'
import { inPlainWords } from './client-words.ts'
import { EdgeWatch } from './edge-watch.ts'
import { explainRefusal } from './kafka-refusal.ts'
import { wireRecord } from './kafka-wire-record.ts'
import { type GroupMember, hookedAssigner } from './kafkajs/group-internals.ts'
import { extentOf } from './kafkajs/record-set.ts'
import { watchForStall } from './kafkajs/stall-watch.ts'
import { OffsetCommits } from './offset-commits.ts'
import { pinStartPositions } from './start-positions.ts'
import { type TopicChange, TopicFollower } from './topic-follower.ts'

export interface KafkaRecordSourceOptions {
  readonly kafka: Kafka
  readonly inputs: InputTopics
  readonly groupId: string
  readonly startFrom: 'latest' | 'earliest'
  /** As `Assignment` has it. */
  readonly doesStartMove?: boolean
  /** The group evicts a member after so long without a heartbeat. Milliseconds. */
  readonly sessionTimeoutMs: number
  /** A member that requests nothing for so long is stuck, and is replaced. Milliseconds. */
  readonly stallMs: number
  readonly onTrouble: (what: 'crashed' | 'start-failed' | 'commit-failed' | 'stalled', error: unknown) => void
  readonly onMembership: (isMember: boolean) => void
  /** Topics that a pattern brings are read from now on, or not any more. */
  readonly onTopics?: (change: TopicChange) => void
  readonly edges: LogEdges
  /** The proof of the store that is worked with. */
  readonly epoch: () => string | undefined
  /** Partitions were assigned of which another replica has settled records with another store. */
  readonly onElsewhere: () => void
  /**
   * Reads the positions in the store. Reading continues there, even if Kafka has dropped the group's offsets. `undefined` while
   * they cannot be known.
   */
  readonly recall: () => Promise<readonly AppliedPosition[] | undefined>
  /**
   * Keeps positions that somebody else has set in the store, before the group uses them. Throws when it cannot; the caller
   * retries.
   */
  readonly keep: (positions: readonly AppliedPosition[]) => Promise<void>
}

const REBALANCE_TIMEOUT_MS = 20_000
const HEARTBEAT_MS = 1_000
const FETCH_WAIT_MS = 200
/** The delay until partitions that were added to a topic are read. */
const METADATA_AGE_MS_MAX = 10_000
/** Keeps memory flat: the bytes that a fetch brings per partition. It is also cheaper than the default megabyte. */
const FETCH_BYTES_PER_PARTITION = 32 * 1_024
const RESTART_DELAY_MS = 250
const RESTART_DELAY_MS_MAX = 5_000
const LEAVE_MS_MAX = 5_000

/**
 * A kafkajs consumer that neither loses nor rewinds. It creates a new kafkajs consumer whenever the old one ends by itself:
 * one way to recover instead of several.
 */
export class KafkaRecordSource implements RecordSource {
  readonly #options: KafkaRecordSourceOptions
  readonly #ended = new AbortController()
  #listener: RecordListener | undefined
  #consumer: Consumer | undefined
  #member: GroupMember | undefined
  readonly #commits: OffsetCommits
  readonly #watch: EdgeWatch
  readonly #follower: TopicFollower

  constructor(options: KafkaRecordSourceOptions) {
    this.#options = options
    this.#commits = new OffsetCommits({
      committable: () => this.#listener?.committable() ?? [],
      epoch: options.epoch,
      onRefused: (error) => this.#noteRefusal(error),
    })
    this.#follower = new TopicFollower({
      inputs: options.inputs,
      onChange: (change) => options.onTopics?.(change),
    })
    this.#watch = new EdgeWatch({
      edges: options.edges,
      reading: (partition) => this.#reading(partition),
      move: (partition) => this.#move(partition),
    })
  }

  async start(listener: RecordListener, signal: AbortSignal): Promise<void> {
    this.#listener = listener
    signal.addEventListener('abort', () => this.#ended.abort(), { once: true })
    this.#follower.start()
    await this.#connectUntilJoined()
  }

  /** Without a member nothing is fetched and kafkajs would throw. The next assignment pauses again. */
  pause({ topic, partition }: TopicPartition): void {
    if (this.#member !== undefined) this.#consumer?.pause([{ topic, partitions: [partition] }])
  }

  resume({ topic, partition }: TopicPartition): void {
    if (this.#member !== undefined) this.#consumer?.resume([{ topic, partitions: [partition] }])
  }

  seek({ topic, partition }: TopicPartition, offset: number): void {
    this.#member?.seek({ topic, partition, offset: String(offset) })
  }

  commit(): Promise<void> {
    return this.#commits.commit()
  }

  async stop(): Promise<void> {
    this.#ended.abort()
    this.#follower.stop()
    this.#watch.end()
    // While the consumer still runs: kafkajs drops commits once it is stopping.
    const committed = this.#commits
      .commitLatest()
      .catch((error: unknown) => this.#trouble('commit-failed', error))
    await settledWithin(committed, LEAVE_MS_MAX)
    const consumer = this.#consumer
    this.#consumer = undefined
    this.#member = undefined
    if (consumer !== undefined) await settledWithin(consumer.disconnect(), LEAVE_MS_MAX)
  }

  async #connectUntilJoined(): Promise<void> {
    for (let failures = 0; !this.#ended.signal.aborted; ) {
      await this.#follower.look()
      const consumer = this.#create()
      try {
        await this.#run(consumer)
        return
      } catch (error) {
        failures++
        if (this.#member !== undefined) this.#lose()
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
      // Creating a deleted topic again is up to its operator.
      allowAutoTopicCreation: false,
      maxBytesPerPartition: FETCH_BYTES_PER_PARTITION,
      partitionAssigners: [
        hookedAssigner({
          beforeRejoin: async (member) => {
            if (this.#consumer === consumer) await this.#beforeRejoin(member)
          },
          topics: () => this.#follower.topics,
          takeRejoin: () => this.#consumer === consumer && this.#follower.takeRejoin(),
          beforeFreshJoin: () => {
            if (this.#consumer === consumer && this.#member !== undefined) this.#lose()
          },
          afterJoin: async (member) => {
            // A replaced consumer may wake up. It must have no effect.
            if (this.#consumer !== consumer) throw unrecoverable(new Error('this consumer was replaced'))
            await this.#afterJoin(member)
          },
          onOutOfRange: (member, partition) => this.#watch.outOfRange(member, partition),
        }),
      ],
      // Few retries: the coordinator is looked up again only when the member joins anew.
      retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries: 3, restartOnFailure: async () => false },
    })
    return consumer
  }

  async #run(consumer: Consumer): Promise<void> {
    await consumer.connect()
    // If an offset is gone, after retention or in a new topic, the rest of the log is read from its beginning.
    await consumer.subscribe({ topics: [...this.#follower.topics], fromBeginning: true })
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
          // Reading was moved after this fetch. What is still wanted of it is fetched again.
          if (payload.isStale()) return
          if (this.#consumer === consumer) this.#listener?.onBatch(recordBatch(payload))
        },
      }),
      crashed,
    ])
    await Promise.race([joined, crashed])
    isJoined = true
  }

  #trouble(what: 'crashed' | 'start-failed' | 'commit-failed' | 'stalled', error: unknown): void {
    const { groupId, inputs, onTrouble } = this.#options
    const rights = `Read on group ${groupId} and on topics ${selectionText(inputs.selection)}`
    onTrouble(what, explainRefusal(error, rights))
  }

  #restart(consumer: Consumer, what: 'crashed' | 'stalled', error: unknown): void {
    if (this.#consumer !== consumer || this.#ended.signal.aborted) return
    this.#trouble(what, error)
    this.#consumer = undefined
    this.#lose()
    void settledWithin(consumer.disconnect(), LEAVE_MS_MAX)
      // The same fault may end the next consumer. The delay prevents a busy loop.
      .then(() => delay(RESTART_DELAY_MS, this.#ended.signal))
      .then(() => this.#connectUntilJoined())
  }

  #lose(): void {
    this.#member = undefined
    this.#watch.end()
    this.#follower.end()
    this.#commits.end()
    this.#options.onMembership(false)
    this.#listener?.onLost()
  }

  /** A commit may reveal what kafkajs, busy retrying a fetch, would notice seconds later. */
  #noteRefusal(error: unknown): void {
    const { type } = error as { type?: string }
    if (type === 'UNKNOWN_MEMBER_ID' && this.#consumer !== undefined) {
      this.#restart(this.#consumer, 'crashed', error)
    } else if (type === 'ILLEGAL_GENERATION') this.#listener?.onLost()
  }

  /** The group waits for this member meanwhile, so the member keeps sending heartbeats. */
  async #beforeRejoin(member: GroupMember): Promise<void> {
    this.#options.onMembership(false)
    const alive = setInterval(() => {
      const { groupId, memberId, generationId } = member
      if (memberId === null || generationId === null) return
      member.coordinator
        .heartbeat({ groupId, memberId, groupGenerationId: generationId })
        .catch(() => undefined)
    }, HEARTBEAT_MS)
    const looked = this.#follower.look()
    try {
      await this.#listener?.onRevoking()
      await looked
      await this.#commits.commitLatest()
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
      const { doesStartMove, inputs, keep, recall, startFrom } = this.#options
      const remembered = this.#commits.positions()
      const epoch = this.#options.epoch()
      const rules = { doesStartMove, epoch, inputs, keep, recall, remembered, startFrom }
      const positions = await pinStartPositions(member, rules)
      const { assigned, isElsewhere } = positions
      // Before anything is read from there.
      if (isElsewhere) this.#options.onElsewhere()
      this.#member = member
      this.#commits.begin(member, assigned)
      listener.onAssigned(assigned)
      this.#watch.begin(member, positions)
      for (const partition of assigned) {
        const wanted = listener.nextWanted(partition)
        if (wanted === undefined) continue
        // kafkajs rewinds every partition to its committed offset, including those that were kept.
        member.seek({ topic: partition.topic, partition: partition.partition, offset: String(wanted) })
      }
      this.#options.onMembership(true)
      this.#follower.begin(member, positions.topicIds.keys())
    } catch (error) {
      throw unrecoverable(error)
    }
  }

  #reading(partition: TopicPartition): { wanted: number; recordMs?: number } | undefined {
    const wanted = this.#listener?.nextWanted(partition)
    if (wanted === undefined) return undefined
    const position = this.#commits
      .positions()
      .find((it) => it.topic === partition.topic && it.partition === partition.partition)
    return { wanted, ...(position?.recordMs !== undefined && { recordMs: position.recordMs }) }
  }

  #move(partition: AssignedPartition): void {
    this.#commits.describe(partition)
    this.#listener?.onMoved(partition)
    this.seek(partition, partition.position)
  }
}

/** Its records are made as they are taken: a batch may hold a hundred thousand. */
function recordBatch({ batch }: EachBatchPayload): RecordBatch<Iterable<WireRecord>> {
  const { messages, topic, partition } = batch
  const { fetchedOffset, rawMessages } = batch as unknown as { fetchedOffset: string; rawMessages: object }
  const part = { topic, partition, fetchedOffset: Number(fetchedOffset) }
  const last = messages.at(-1)
  return {
    ...part,
    bytes: extentOf(rawMessages)?.bytes ?? 0,
    nextOffset: Number(batch.lastOffset()) + 1,
    recordMs: last && Number(last.timestamp),
    endOffset: Number(batch.highWatermark),
    records: {
      *[Symbol.iterator]() {
        for (const message of messages) yield wireRecord(part, message)
      },
    },
  }
}

/** An error that ends the kafkajs consumer, so that it does not go on with an assignment that nobody knows. */
function unrecoverable(error: unknown): Error {
  const why = messageOf(inPlainWords(error))
  const fault = new RelayFault('LR_UNAVAILABLE', `the start positions are not known: ${why}`, {
    cause: error,
  })
  // kafkajs' runner gives up on few error names; this is one of them.
  fault.name = 'KafkaJSNotImplemented'
  return fault
}
