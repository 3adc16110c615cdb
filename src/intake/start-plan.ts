import type { TopicPartition } from '../events/wire-record.ts'
import type { AppliedPosition } from '../registry/epoch-store.ts'
import type { PartitionBounds } from './log-reader.ts'

/** What a group has committed for a partition, with what this relay wrote beside it. */
export interface CommittedPosition extends TopicPartition {
  readonly offset: number
  /** `undefined`: somebody else committed it, an operator's tool perhaps, or an earlier release. */
  readonly start?: number
  readonly topicId?: string
}

export interface StartFacts {
  /** What the partitions of the input topics hold now: what can be read of it, and up to the end of the log. */
  readonly bounds: readonly PartitionBounds[]
  readonly committed: readonly CommittedPosition[]
  /** Of the store. */
  readonly applied: readonly AppliedPosition[]
  /** By topic; empty or missing where the cluster tells none. */
  readonly topicIds: ReadonlyMap<string, string>
  readonly startFrom: 'latest' | 'earliest'
}

/** Where a partition begins for this group. */
export interface PartitionStart extends AppliedPosition {
  /**
   * - `known`: the group has read of it before.
   * - `noted`: its start is noted, and nobody has come that far: what stands before that may not be read yet.
   * - `added`: the group has read of its topic, but not of it, or of another topic under this name: all of it is news.
   * - `first`: the group has never read of its topic. `offset` is then where it begins, and what the topic holds before
   *   that is read for its registrations alone. `start` lies beyond it while another producer's transaction is open: what
   *   is between stood on the log before the group, and can only be read through it later.
   */
  readonly kind: 'known' | 'noted' | 'added' | 'first'
  /**
   * The store has less than this group has settled, by its own note: a relay went down within a second of its last commit,
   * or it went on with another server than the one that answers now.
   */
  readonly isBehind: boolean
  /** What the group has committed of this topic; `undefined` when it has not, or the broker has forgotten it. */
  readonly committed: number | undefined
  /** From there on the store may lack what the log holds. */
  readonly appliedFrom: number
  /** Up to where the store is known to be applied, although the log begins later: what lies between is gone. */
  readonly lackedFrom?: number
  /** What can be read of the partition now. */
  readonly low: number
  readonly end: number
}

/**
 * Decides where each partition begins. Two books are kept: what the group has committed, and what the store says is
 * applied to it. The store's counts where both are this relay's, because that is what it holds; a position without a
 * note of this relay beside it was set by somebody who means it. A broker forgets the group's own after a week without
 * members, and the store's goes with the store.
 */
export function planStart({ bounds, committed, applied, topicIds, startFrom }: StartFacts): PartitionStart[] {
  const isOfThisTopic = ({ topic, topicId = '' }: { topic: string; topicId?: string }): boolean => {
    const now = topicIds.get(topic) ?? ''
    return now === '' || topicId === '' || topicId === now
  }
  const ofGroup = byName(committed.filter(isOfThisTopic))
  const ofStore = byName(applied.filter(isOfThisTopic))
  const knownTopics = new Set([...committed, ...applied].map(({ topic }) => topic))
  return bounds.map(({ topic, partition, from: low, to: end, end: logEnd = end }) => {
    const here = { topic, partition, low, end, topicId: topicIds.get(topic) ?? '' }
    const group = ofGroup.get(nameOf(here))
    const store = ofStore.get(nameOf(here))
    const known = {
      ...here,
      appliedFrom: Math.max(store?.offset ?? low, low),
      ...(store !== undefined && store.offset < low && { lackedFrom: store.offset }),
      committed: group?.offset,
      isBehind: group?.start !== undefined && (store?.offset ?? -1) < group.offset,
    }
    if (group !== undefined && (group.start === undefined || store === undefined)) {
      const { offset, start = store?.start ?? 0 } = group
      // What an operator has set is meant, wherever it is.
      const isNoted = group.start !== undefined && offset < start
      return { ...known, kind: isNoted ? 'noted' : 'known', offset, start }
    }
    if (store !== undefined) {
      const { offset, start } = store
      const isNoted = Math.max(offset, group?.offset ?? 0) < start
      return { ...known, kind: isNoted ? 'noted' : 'known', offset, start }
    }
    const news = { ...here, appliedFrom: low, committed: undefined, isBehind: false }
    if (knownTopics.has(topic)) return { ...news, kind: 'added', offset: low, start: low }
    return startFrom === 'latest'
      ? { ...news, kind: 'first', offset: end, start: logEnd }
      : { ...news, kind: 'first', offset: low, start: low }
  })
}

function byName<T extends TopicPartition>(positions: readonly T[]): Map<string, T> {
  return new Map(positions.map((position) => [nameOf(position), position]))
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
