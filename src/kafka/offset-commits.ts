import type { TopicPartition } from '../events/wire-record.ts'
import type { AssignedPartition, CommittablePosition, PositionMetadata } from '../intake/record-source.ts'
import { settledWithin } from '../lib/deferred.ts'
import { RelayFault } from '../lib/errors.ts'
import type { GroupPosition } from './group-positions.ts'
import type { GroupMember } from './kafkajs/group-internals.ts'
import { metadataText } from './position-metadata.ts'

export interface OffsetCommitsOptions {
  /** What may be committed now for every partition of the assignment. */
  readonly committable: () => readonly CommittablePosition[]
  /** The group has refused a commit of the membership at hand. */
  readonly onRefused: (error: unknown) => void
}

/** Longer than kafkajs waits for an answer. A request that it makes while it gives a connection up may get none, ever. */
const ANSWER_MS_MAX = 6_000

/**
 * The commits of one membership after the other: one is in flight at a time, only what has moved is in it, and none is
 * made between two memberships.
 */
export class OffsetCommits {
  readonly #options: OffsetCommitsOptions
  #member: GroupMember | undefined
  #committing: Promise<void> | undefined
  readonly #committed = new Map<string, number>()
  /** What each commit of a partition says beside the offset. */
  readonly #metadata = new Map<string, PositionMetadata>()

  constructor(options: OffsetCommitsOptions) {
    this.#options = options
  }

  /** From now on for this member, whose partitions have these committed offsets. */
  begin(member: GroupMember, assigned: readonly AssignedPartition[]): void {
    this.#member = member
    this.#committed.clear()
    this.#metadata.clear()
    for (const partition of assigned) {
      this.#committed.set(nameOf(partition), partition.position)
      this.describe(partition)
    }
  }

  /** From now on the commits of the partition say this as well. */
  describe({ start, topicId, ...partition }: TopicPartition & PositionMetadata): void {
    this.#metadata.set(nameOf(partition), {
      ...this.#metadata.get(nameOf(partition)),
      ...(start !== undefined && { start }),
      ...(topicId !== undefined && { topicId }),
    })
  }

  /** The positions of the membership at hand, or of the last one. */
  positions(): GroupPosition[] {
    return this.#options.committable().map((it) => ({ ...it, ...this.#metadata.get(nameOf(it)) }))
  }

  /** The membership is over. The next one does not wait for what it has under way. */
  end(): void {
    this.#member = undefined
    this.#committing = undefined
  }

  /** Joins the commit that is under way. Throws when it is refused, or is not answered. */
  commit(): Promise<void> {
    if (this.#committing !== undefined) return this.#committing
    const committing = this.#commitOnce().finally(() => {
      if (this.#committing === committing) this.#committing = undefined
    })
    this.#committing = committing
    return committing
  }

  /** A commit under way may have been started before the last record was settled, so it does not count. */
  async commitLatest(): Promise<void> {
    await this.#committing?.catch(() => undefined)
    await this.commit()
  }

  /** One attempt under the generation at hand: a commit that is tried again after a rebalance rewinds the group. */
  async #commitOnce(): Promise<void> {
    const member = this.#member
    if (member === undefined) return
    const topics = new Map<string, { partition: number; offset: string; metadata: string }[]>()
    const committing: GroupPosition[] = []
    for (const position of this.positions()) {
      if (this.#committed.get(nameOf(position)) === position.offset) continue
      committing.push(position)
      const list = topics.get(position.topic) ?? []
      const { partition, offset } = position
      list.push({ partition, offset: String(offset), metadata: metadataText(position) })
      topics.set(position.topic, list)
    }
    if (committing.length === 0) return
    const request = { topics: [...topics].map(([topic, partitions]) => ({ topic, partitions })) }
    try {
      await answered(member.commitOffsets(request))
    } catch (error) {
      if (this.#member === member) this.#options.onRefused(error)
      throw error
    }
    if (this.#member !== member) return
    for (const position of committing) this.#committed.set(nameOf(position), position.offset)
  }
}

async function answered(answer: Promise<void>): Promise<void> {
  if (await settledWithin(answer, ANSWER_MS_MAX)) return answer
  throw new RelayFault('LR_UNAVAILABLE', `a commit was not answered within ${ANSWER_MS_MAX} ms`)
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
