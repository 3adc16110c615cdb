import type { TopicPartition } from '../events/wire-record.ts'
import type { AssignedPartition, CommittablePosition, PositionMetadata } from '../intake/record-source.ts'
import { settledWithin } from '../lib/deferred.ts'
import { RelayFault } from '../lib/errors.ts'
import { inPlainWords } from './client-words.ts'
import type { GroupPosition } from './group-positions.ts'
import type { GroupMember } from './kafkajs/group-internals.ts'
import { metadataText } from './position-metadata.ts'

export interface OffsetCommitsOptions {
  readonly committable: () => readonly CommittablePosition[]
  /** The proof of the store that is worked with. */
  readonly epoch: () => string | undefined
  /** The group has refused a commit of the current membership. */
  readonly onRefused: (error: unknown) => void
}

/** Longer than kafkajs waits for an answer. A request that it sends while it drops a connection may never be answered. */
const ANSWER_MS_MAX = 6_000

/**
 * Commits for one membership at a time. One commit is in flight at a time and holds only what has moved. No commit is made
 * between two memberships.
 */
export class OffsetCommits {
  readonly #options: OffsetCommitsOptions
  #member: GroupMember | undefined
  #committing: Promise<void> | undefined
  readonly #committed = new Map<string, string>()
  /** The metadata of each partition's commits. */
  readonly #metadata = new Map<string, PositionMetadata>()

  constructor(options: OffsetCommitsOptions) {
    this.#options = options
  }

  /** Starts committing for this member, from these committed offsets. */
  begin(member: GroupMember, assigned: readonly AssignedPartition[]): void {
    this.#member = member
    this.#committed.clear()
    this.#metadata.clear()
    for (const partition of assigned) {
      const { epoch, position: offset } = partition
      this.#committed.set(nameOf(partition), markOf({ offset, ...(epoch !== undefined && { epoch }) }))
      this.describe(partition)
    }
  }

  /** Adds metadata to all later commits of the partition. */
  describe({ start, topicId, pattern, ...partition }: TopicPartition & PositionMetadata): void {
    this.#metadata.set(nameOf(partition), {
      ...this.#metadata.get(nameOf(partition)),
      ...(start !== undefined && { start }),
      ...(topicId !== undefined && { topicId }),
      ...(pattern !== undefined && { pattern }),
    })
  }

  /** The positions of the current or last membership. */
  positions(): GroupPosition[] {
    const { committable, epoch: epochNow } = this.#options
    const epoch = epochNow()
    const current = epoch === undefined ? {} : { epoch }
    return committable().map((it) => ({ ...this.#metadata.get(nameOf(it)), ...it, ...current }))
  }

  /** Ends the membership. The next one does not wait for a commit under way. */
  end(): void {
    this.#member = undefined
    this.#committing = undefined
  }

  /** Joins a commit under way. Throws when it is refused or not answered. */
  commit(): Promise<void> {
    if (this.#committing !== undefined) return this.#committing
    const committing = this.#commitOnce().finally(() => {
      if (this.#committing === committing) this.#committing = undefined
    })
    this.#committing = committing
    return committing
  }

  /** A commit under way may have begun before the last record was settled, so it does not count. */
  async commitLatest(): Promise<void> {
    await this.#committing?.catch(() => undefined)
    await this.commit()
  }

  /** One attempt under the current generation: retrying it after a rebalance would rewind the group. */
  async #commitOnce(): Promise<void> {
    const member = this.#member
    if (member === undefined) return
    const topics = new Map<string, { partition: number; offset: string; metadata: string }[]>()
    const committing: GroupPosition[] = []
    for (const position of this.positions()) {
      if (this.#committed.get(nameOf(position)) === markOf(position)) continue
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
      throw inPlainWords(error)
    }
    if (this.#member !== member) return
    for (const position of committing) this.#committed.set(nameOf(position), markOf(position))
  }
}

/** What is committed once. */
function markOf({ epoch = '', offset }: Pick<GroupPosition, 'epoch' | 'offset'>): string {
  return `${offset} ${epoch}`
}

async function answered(answer: Promise<void>): Promise<void> {
  if (await settledWithin(answer, ANSWER_MS_MAX)) return answer
  throw new RelayFault('LR_UNAVAILABLE', `a commit was not answered within ${ANSWER_MS_MAX} ms`)
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
