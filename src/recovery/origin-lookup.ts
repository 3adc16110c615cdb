import type { Decoders } from '../events/decoding/decode-record.ts'
import { outcomeTypes } from '../events/outcome.ts'
import type { TopicPartition } from '../events/wire-record.ts'
import { cloudEventType, positionOf, type RecordPosition, type WireRecord } from '../events/wire-record.ts'
import type { LogReader, PartitionRange } from '../intake/log-reader.ts'

export type Formats = Pick<Decoders, 'mayConcern'>

/** Wanted records that are this close are read together. */
const GAP_MAX = 2_000
/** Beyond so many reads the rest is not looked up and counts as present. */
const WINDOWS_MAX = 200

/**
 * Looks up whether the log holds the triggers that outcomes name. The answer is false if another record, or none, is at that
 * position; true if retention may have dropped it. `topics`: all topics that the relay reads. `take` gets each record that is
 * there. Throws when the log is out of reach.
 */
export async function lookUpOrigins(
  reader: LogReader,
  topics: readonly string[],
  formats: Formats,
  origins: readonly RecordPosition[],
  signal: AbortSignal,
  take: (record: WireRecord) => void = () => undefined,
): Promise<(origin: RecordPosition) => boolean> {
  const wanted = new Set(origins.map(positionOf))
  if (origins.length === 0) return () => false
  const bounds = new Map((await reader.bounds(topics)).map((it) => [nameOf(it), { end: it.to, ...it }]))
  const found = new Set<string>()
  const read = (window: PartitionRange) =>
    reader.read(
      [window],
      async ({ records }) => {
        for (const record of records) {
          if (!wanted.has(positionOf(record)) || !mayBeOrigin(record, formats)) continue
          found.add(positionOf(record))
          take(record)
        }
      },
      signal,
    )
  let windows = 0
  for (const all of Map.groupBy(origins, nameOf).values()) {
    const within = bounds.get(nameOf(all[0] as RecordPosition))
    if (within === undefined) continue
    for (const window of windowsOf(all, within)) if (++windows <= WINDOWS_MAX) await read(window)
  }
  return (origin) => {
    const within = bounds.get(nameOf(origin))
    if (within === undefined || origin.offset >= within.end) return false
    // Retention has dropped it, or another producer's open transaction hides it.
    const isHidden = origin.offset < within.from || origin.offset >= within.to
    return isHidden || windows > WINDOWS_MAX || found.has(positionOf(origin))
  }
}

/**
 * Whether outcomes may name the record: a trigger, a late registration, or a failed outcome that an operator had delivered
 * again.
 */
export function mayBeOrigin(record: WireRecord, formats: Formats): boolean {
  if (record.unreadable !== undefined) return false
  return formats.mayConcern(record) || cloudEventType(record) === outcomeTypes.failed
}

function windowsOf(origins: readonly RecordPosition[], { from, to }: PartitionRange): PartitionRange[] {
  const { topic, partition } = origins[0] as RecordPosition
  const windows: { topic: string; partition: number; from: number; to: number }[] = []
  for (const offset of origins.map((it) => it.offset).sort((a, b) => a - b)) {
    if (!(offset >= from && offset < to)) continue
    const last = windows.at(-1)
    if (last !== undefined && offset - last.to <= GAP_MAX) last.to = offset + 1
    else windows.push({ topic, partition, from: offset, to: offset + 1 })
  }
  return windows
}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
