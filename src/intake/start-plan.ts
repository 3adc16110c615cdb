import type { TopicPartition } from '../events/wire-record.ts'
import type { AppliedPosition } from '../registry/epoch-store.ts'
import type { PartitionBounds } from './log-reader.ts'

/** A group's committed position of a partition, with the metadata that this relay wrote. */
export interface CommittedPosition extends TopicPartition {
  readonly offset: number
  /** `undefined` when something else committed it, such as an operator's tool or an earlier release. */
  readonly start?: number
  readonly topicId?: string
  readonly epoch?: string
  readonly pattern?: string
}

export interface StartFacts {
  readonly bounds: readonly PartitionBounds[]
  readonly committed: readonly CommittedPosition[]
  readonly applied: readonly AppliedPosition[]
  /** The proof that the store shows. */
  readonly epoch?: string | undefined
  /** By topic. Empty or missing if the cluster has no ids. */
  readonly topicIds: ReadonlyMap<string, string>
  readonly startFrom: 'latest' | 'earliest'
  /**
   * Whether a pattern brings the topic that the group already followed. All topics that existed when it began to follow the
   * pattern have positions, so one without a position has appeared since. By default none.
   */
  readonly isFollowed?: (topic: string) => boolean
  /** The pattern that brings the topic, if any. */
  readonly patternOf?: (topic: string) => string | undefined
  /** In shadow mode: what is settled counts as before the start. */
  readonly doesStartMove?: boolean | undefined
}

/** Where a partition begins for this group. */
export interface PartitionStart extends AppliedPosition {
  /**
   * - `known`: the group has read the partition before.
   * - `noted`: its start is noted but not reached, so earlier records may be unread.
   * - `added`: the group has read its topic, but not this partition, or an older topic of this name; or the topic has
   *   appeared while the group followed a pattern of its name. All records are new.
   * - `first`: the group has never read its topic. It begins at `offset`; earlier records are read only for registrations.
   *   While another producer's transaction is open, `start` lies beyond `offset`: the records between are older than the
   *   group, and the group reads them later.
   */
  readonly kind: 'known' | 'noted' | 'added' | 'first'
  /**
   * The store is behind the group's committed position: a relay crashed within a second of its last commit, or used another
   * server than the one that answers now.
   */
  readonly isBehind: boolean
  /** The proof of the store with which the records before `committed` were settled, if a relay has noted it. */
  readonly epoch?: string
  /** That is not the one that the store shows: it may lack what was settled. */
  readonly isElsewhere: boolean
  /** The group's committed offset in this topic; `undefined` if there is none, or the broker has expired it. */
  readonly committed: number | undefined
  /** Somebody else has set the group's position, so that records which it had read may come again. */
  readonly isSetByOthers: boolean
  /** The store may lack records from this offset on. */
  readonly appliedFrom: number
  /**
   * The group has read the partition and the store has no position of it: whoever built the store does not follow the topic.
   */
  readonly isUnapplied: boolean
  /**
   * Earlier triggers end their sessions without an outcome. It is `start`, but not for a shadow that reads again what it has
   * committed: some of that may be parked.
   */
  readonly silentBefore: number
  /** The offset applied to the store, if it is before the beginning of the log: the records between are lost. */
  readonly lackedFrom?: number
  /** The pattern that brings its topic. */
  readonly pattern?: string
  /** The first readable offset. */
  readonly low: number
  readonly end: number
}

/**
 * Decides where each partition begins, from two positions: the group's committed one and the one applied to the store. If
 * this relay wrote both, the store's counts, because it says what the store holds. A committed position without the relay's
 * metadata was set on purpose and counts. A broker expires committed positions after a week without members; the store's are
 * lost with the store.
 */
export function planStart({
  bounds,
  committed,
  applied,
  epoch,
  topicIds,
  startFrom,
  isFollowed = () => false,
  patternOf = () => undefined,
  doesStartMove = false,
}: StartFacts): PartitionStart[] {
  const moved = (start: number, offset: number) => (doesStartMove ? Math.max(start, offset) : start)
  const isOfThisTopic = ({ topic, topicId = '' }: { topic: string; topicId?: string }): boolean => {
    const now = topicIds.get(topic) ?? ''
    return now === '' || topicId === '' || topicId === now
  }
  const ofGroup = byName(committed.filter(isOfThisTopic))
  const ofStore = byName(applied.filter(isOfThisTopic))
  const knownTopics = new Set([...committed, ...applied].map(({ topic }) => topic))
  return bounds.map(({ topic, partition, from: low, to: end, end: logEnd = end }) => {
    const pattern = patternOf(topic)
    const place = { topic, partition, low, end, topicId: topicIds.get(topic) ?? '' }
    const here = { ...place, ...(pattern !== undefined && { pattern }) }
    const group = ofGroup.get(nameOf(here))
    const store = ofStore.get(nameOf(here))
    const known = {
      ...here,
      appliedFrom: Math.max(store?.offset ?? low, low),
      ...(store !== undefined && store.offset < low && { lackedFrom: store.offset }),
      committed: group?.offset,
      ...(group?.epoch !== undefined && { epoch: group.epoch }),
      isSetByOthers: group !== undefined && group.start === undefined,
      isUnapplied: store === undefined,
      isBehind: group?.start !== undefined && (store?.offset ?? -1) < group.offset,
      isElsewhere: group?.epoch !== undefined && epoch !== undefined && group.epoch !== epoch,
    }
    if (group !== undefined && (group.start === undefined || store === undefined)) {
      const { offset } = group
      const start = moved(group.start ?? store?.start ?? 0, offset)
      // An operator's position counts, whatever it is.
      const isNoted = group.start !== undefined && offset < start
      return { ...known, kind: isNoted ? 'noted' : 'known', offset, start, silentBefore: start }
    }
    if (store !== undefined) {
      const { offset } = store
      // It moves in shadow mode, and a store that has fallen back does not know how far.
      const start = moved(Math.max(store.start, group?.start ?? 0), offset)
      const isNoted = Math.max(offset, group?.offset ?? 0) < start
      const silentBefore = doesStartMove ? store.start : start
      return { ...known, kind: isNoted ? 'noted' : 'known', offset, start, silentBefore }
    }
    const news = { ...here, appliedFrom: low, committed: undefined, ...NEITHER }
    const from = (offset: number, start: number) => ({ ...news, offset, start, silentBefore: start })
    if (knownTopics.has(topic) || isFollowed(topic)) return { ...from(low, low), kind: 'added' }
    return { ...(startFrom === 'latest' ? from(end, logEnd) : from(low, low)), kind: 'first' }
  })
}

const NEITHER = { isBehind: false, isElsewhere: false, isSetByOthers: false, isUnapplied: false }

function byName<T extends TopicPartition>(positions: readonly T[]): Map<string, T> {
  return new Map(positions.map((position) => [nameOf(position), position]))
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
