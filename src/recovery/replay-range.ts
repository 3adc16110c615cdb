import {
  boundsAfterTransactions,
  type LogReader,
  type PartitionBounds,
  type PartitionRange,
} from '../intake/log-reader.ts'
import { RelayFault } from '../lib/errors.ts'

/** `to` is exclusive. Without it the range extends to the end. */
export type RequestedRange =
  | { readonly kind: 'time'; readonly fromMs: number; readonly toMs?: number }
  | { readonly kind: 'offsets'; readonly ranges: readonly RequestedOffsets[] }

export interface RequestedOffsets {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to?: number
}

/**
 * Resolves a range to its current offsets; it does not grow during the run. `end` lies beyond `to` if another producer's open
 * transaction hides a part. Throws `LR_USAGE` for offsets that do not exist: silently skipping lost records would look like
 * success.
 */
export async function resolveRange(
  requested: RequestedRange,
  topics: readonly string[],
  reader: Pick<LogReader, 'bounds' | 'offsetsAt'>,
): Promise<PartitionBounds[]> {
  const bounds = await boundsAfterTransactions(reader, topics)
  if (requested.kind === 'offsets')
    return requested.ranges.map((range) => checkOffsets(range, bounds, topics))
  const { fromMs, toMs } = requested
  const starts = await reader.offsetsAt(topics, fromMs)
  const ends = toMs === undefined ? [] : await reader.offsetsAt(topics, toMs)
  return bounds.map(({ topic, partition, from, to, end = to }) => {
    const offsetIn = (found: readonly { topic: string; partition: number; offset: number }[]) =>
      found.find((it) => it.topic === topic && it.partition === partition)?.offset
    const wanted = { from: Math.max(offsetIn(starts) ?? end, from), to: Math.min(offsetIn(ends) ?? end, end) }
    return cutAt(to, { topic, partition, ...wanted })
  })
}

/** The readable part of the requested range. */
function cutAt(readable: number, { to, ...range }: PartitionRange): PartitionBounds {
  return to <= readable ? { ...range, to } : { ...range, to: readable, end: to }
}

function checkOffsets(
  { topic, partition, from, to }: RequestedOffsets,
  bounds: readonly PartitionBounds[],
  topics: readonly string[],
): PartitionBounds {
  const name = `--offsets: ${topic}:${partition}`
  if (!topics.includes(topic)) {
    throw new RelayFault('LR_USAGE', `${name}: the topic is not one of those that the relay reads`)
  }
  const held = bounds.find((it) => it.topic === topic && it.partition === partition)
  if (held === undefined) throw new RelayFault('LR_USAGE', `${name}: the topic does not have this partition`)
  const { to: readable, end = readable } = held
  if (held.from === end) throw new RelayFault('LR_USAGE', `${name}: the partition is empty`)
  const holds = `the partition holds ${held.from}-${end - 1}`
  if (from < held.from || from >= end || (to ?? 0) > end) {
    throw new RelayFault('LR_USAGE', `${name}: offsets out of range; ${holds}`)
  }
  return cutAt(readable, { topic, partition, from, to: to ?? end })
}

/** Cuts off what the group has not committed yet: its members are about to deliver that. */
export function uncommittedCut(
  ranges: readonly PartitionRange[],
  committed: readonly { topic: string; partition: number; offset: number }[],
): PartitionRange[] {
  return ranges.map((range) => {
    const { topic, partition, to } = range
    const found = committed.find((it) => it.topic === topic && it.partition === partition)
    return found === undefined ? range : { ...range, to: Math.min(to, found.offset) }
  })
}

export function recordsIn(ranges: readonly PartitionRange[]): number {
  return ranges.reduce((sum, { from, to }) => sum + Math.max(to - from, 0), 0)
}
