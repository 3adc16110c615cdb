import type { TopicPartition } from '../events/wire-record.ts'
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
  /** What is read next, and the time of what was read last, of a partition of the assignment. */
  readonly reading: (partition: TopicPartition) => { wanted: number; recordMs?: number } | undefined
  /** Lets reading of a partition go on elsewhere. */
  readonly move: (partition: AssignedPartition) => void
}

const WATCH_MS = 2_000
const PAUSE_MS = 200

/**
 * Watches the ends of the log for one member after the other: whether it still holds what is read next, whether its topics
 * are those that they were, and whether their ends can be read.
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
      const position = assigned.find((it) => isSame(it, partition))?.position ?? 0
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
    // Nobody is to be told any more, and kafkajs would ask again at once.
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
    // The broker may know better than its own bounds, in the middle of a change of leaders.
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
      // Whoever consumes says that Kafka is away.
    } finally {
      this.#isLooking = false
    }
  }

  /** Starts anew in topics that have the name of another one; returns them. */
  async #lookAtIds(member: GroupMember): Promise<ReadonlySet<string>> {
    const recreated = new Set<string>()
    const ids = await fetchTopicIds(member.cluster, [...this.#topicIds.keys()])
    if (this.#member !== member) return recreated
    for (const [topic, id] of ids) {
      const before = this.#topicIds.get(topic)
      // Without one it is not there now, or the broker that answers knows of no ids. Another broker may be behind.
      if (id === '' || id === before || this.#left.has(id)) continue
      if (before) recreated.add(topic)
      else this.#topicIds.set(topic, id)
    }
    if (recreated.size === 0) return recreated
    // It may have other leaders, and another number of partitions.
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
    const assigned = topics.filter((topic) => member.assigned().some((it) => it.topic === topic))
    if (assigned.length === 0) return []
    const bounds = await fetchBounds(member.cluster, assigned)
    return bounds.filter((it) =>
      member
        .assigned()
        .some(({ topic, partitions }) => topic === it.topic && partitions.includes(it.partition)),
    )
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

function isSame(a: TopicPartition, b: TopicPartition): boolean {
  return a.topic === b.topic && a.partition === b.partition
}
