import { isSamePartition, type TopicPartition } from '../events/wire-record.ts'
import type { LogEdges, PassedPosition } from '../intake/log-edges.ts'
import type { AssignedPartition } from '../intake/record-source.ts'
import { delay } from '../lib/deferred.ts'
import type { GroupMember } from './kafkajs/group-internals.ts'
import { OpenTransactions } from './open-transactions.ts'
import { fetchBounds, type PartitionBounds, timeOfFirst } from './partition-bounds.ts'
import type { StartPositions } from './start-positions.ts'
import { fetchTopicIds } from './topic-ids.ts'

export interface EdgeWatchOptions {
  readonly edges: LogEdges
  /** The next offset of an assigned partition, and the time of its last record. */
  readonly reading: (partition: TopicPartition) => { wanted: number; recordMs?: number } | undefined
  /** Makes reading of a partition continue elsewhere. */
  readonly move: (partition: AssignedPartition) => void
}

const WATCH_MS = 2_000
const PAUSE_MS = 200

/**
 * Watches the ends of the log for the current member: whether the log still holds the next offsets, whether a topic was
 * recreated, and whether transactions hide records.
 */
export class EdgeWatch {
  readonly #options: EdgeWatchOptions
  readonly #transactions = new OpenTransactions()
  #member: GroupMember | undefined
  #topicIds = new Map<string, string>()
  /** Ids of topics that are gone. */
  readonly #left = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #isLooking = false

  constructor(options: EdgeWatchOptions) {
    this.#options = options
  }

  begin(member: GroupMember, { topicIds, voided, assigned }: StartPositions): void {
    this.#member = member
    this.#topicIds = new Map(topicIds)
    for (const { offset: wanted, recordMs, ...partition } of voided) {
      const position = assigned.find((it) => isSamePartition(it, partition))?.position ?? 0
      void this.#report(member, 'recreated', { ...partition, wanted, position, recordMs })
    }
    this.#timer ??= setInterval(() => void this.#look(), WATCH_MS).unref()
  }

  end(): void {
    this.#member = undefined
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** Throws when Kafka cannot be asked. */
  async outOfRange(member: GroupMember, { topic, partition }: TopicPartition): Promise<void> {
    // A replaced member reports nothing. Without the delay kafkajs would ask again at once.
    if (this.#member !== member) return delay(PAUSE_MS)
    if ((await this.#lookAtIds(member)).has(topic)) return
    const bounds = await this.#assignedBounds(member, [topic])
    if (this.#member !== member) return
    let hasMoved = false
    for (const range of bounds) {
      const wanted = this.#options.reading(range)?.wanted
      if (wanted === undefined) continue
      const isAsked = range.partition === partition
      if (wanted < range.from) this.#move(member, 'retention', range)
      else if (isAsked && wanted > range.end) this.#move(member, 'shortened', range)
      else continue
      hasMoved = true
    }
    if (hasMoved) return
    // During a change of leaders the broker may know more than its own bounds say.
    const wanted = this.#options.reading({ topic, partition })?.wanted
    if (wanted !== undefined) member.seek({ topic, partition, offset: String(wanted) })
    await delay(PAUSE_MS)
  }

  async #look(): Promise<void> {
    const member = this.#member
    if (member === undefined || this.#isLooking) return
    this.#isLooking = true
    try {
      await this.#lookAtIds(member)
      const bounds = await this.#assignedBounds(member, [...this.#topicIds.keys()])
      if (this.#member === member) {
        this.#options.edges.openTransactions(this.#transactions.look(bounds, Date.now()))
      }
    } catch {
      // The consumer reports that Kafka is away.
    } finally {
      this.#isLooking = false
    }
  }

  /** Finds recreated topics, moves their partitions to the start, and returns them. */
  async #lookAtIds(member: GroupMember): Promise<ReadonlySet<string>> {
    const recreated = new Set<string>()
    const ids = await fetchTopicIds(member.cluster, [...this.#topicIds.keys()])
    if (this.#member !== member) return recreated
    for (const [topic, id] of ids) {
      const before = this.#topicIds.get(topic)
      // The topic is missing now, or this broker knows no ids. A broker may lag behind with an old id.
      if (id === '' || id === before || this.#left.has(id)) continue
      if (before) recreated.add(topic)
      else this.#topicIds.set(topic, id)
    }
    if (recreated.size === 0) return recreated
    // The topic may have other leaders and another number of partitions.
    await member.cluster.refreshMetadata()
    const bounds = await this.#assignedBounds(member, [...recreated])
    if (this.#member !== member) return recreated
    for (const topic of recreated) {
      this.#left.add(this.#topicIds.get(topic) as string)
      this.#topicIds.set(topic, ids.get(topic) as string)
    }
    for (const range of bounds) this.#move(member, 'recreated', range)
    return recreated
  }

  async #assignedBounds(member: GroupMember, topics: readonly string[]): Promise<PartitionBounds[]> {
    const own = new Map(member.assigned().map(({ topic, partitions }) => [topic, partitions]))
    const assigned = topics.filter((topic) => own.has(topic))
    if (assigned.length === 0) return []
    const bounds = await fetchBounds(member.cluster, assigned)
    return bounds.filter(({ topic, partition }) => own.get(topic)?.includes(partition))
  }

  #move(member: GroupMember, why: PassedPosition['why'], { topic, partition, from }: PartitionBounds): void {
    const { wanted = from, recordMs } = this.#options.reading({ topic, partition }) ?? {}
    const topicId = this.#topicIds.get(topic)
    this.#options.move({
      topic,
      partition,
      position: from,
      ...(why !== 'retention' && { start: from }),
      ...(topicId && { topicId }),
    })
    void this.#report(member, why, { topic, partition, wanted, position: from, recordMs })
  }

  async #report(
    member: GroupMember,
    why: PassedPosition['why'],
    passed: TopicPartition & { wanted: number; position: number; recordMs?: number | undefined },
  ): Promise<void> {
    const { topic, partition, wanted, position, recordMs } = passed
    const earliestMs = await timeOfFirst(member.cluster, { topic, partition }).catch(() => undefined)
    this.#options.edges.positionPassed({
      topic,
      partition,
      why,
      wanted,
      position,
      ...(recordMs !== undefined && { lastMs: recordMs }),
      ...(earliestMs !== undefined && { earliestMs }),
    })
  }
}
