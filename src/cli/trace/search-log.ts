import { RelayFault } from '../../errors.ts'
import type { TopicPartition } from '../../kafka/record-source.ts'
import type { LogReader, PartitionRange } from '../../recovery/log-reader.ts'
import type { Entry } from './entry.ts'
import { entryOfRecord } from './entry-of-record.ts'
import type { Subject } from './subject.ts'

export interface LogSearch {
  readonly reader: LogReader
  readonly topics: readonly string[]
  readonly issuer: string
  /** Records written before are not looked at. Milliseconds since the epoch. */
  readonly sinceMs: number
  readonly onProgress: (records: number, recordsTotal: number) => void
  /** Records that are there, and that nobody can read before another producer's transaction has ended. */
  readonly onHidden: (hidden: TopicPartition & { readonly records: number }) => void
}

/** More than anybody reads. */
const ENTRIES_MAX = 100_000

/**
 * Every record about the subject, in the order of their times. What is learnt on the way, such as the sessions of a
 * user, may concern records that were read before: then the log is read once more. Throws when it is out of reach.
 */
export async function searchLog(search: LogSearch, subject: Subject, signal: AbortSignal): Promise<Entry[]> {
  const ranges = await rangesOf(search)
  for (;;) {
    const known = subject.size
    const entries = await pass(search, ranges, subject, signal)
    if (subject.size === known) return entries.sort((a, b) => a.atMs - b.atMs)
  }
}

async function rangesOf({ reader, topics, sinceMs, onHidden }: LogSearch): Promise<PartitionRange[]> {
  const starts = await reader.offsetsAt(topics, sinceMs)
  const bounds = await reader.bounds(topics)
  for (const { topic, partition, to, end = to } of bounds) {
    if (end > to) onHidden({ topic, partition, records: end - to })
  }
  return bounds.flatMap(({ topic, partition, from, to }) => {
    const start = starts.find((it) => it.topic === topic && it.partition === partition)?.offset ?? from
    return start < to ? [{ topic, partition, to, from: Math.max(start, from) }] : []
  })
}

async function pass(
  { reader, issuer, onProgress }: LogSearch,
  ranges: readonly PartitionRange[],
  subject: Subject,
  signal: AbortSignal,
): Promise<Entry[]> {
  const recordsTotal = ranges.reduce((sum, { from, to }) => sum + to - from, 0)
  const entries: Entry[] = []
  let records = 0
  const tooMany = new AbortController()
  const reading = reader.read(
    ranges,
    async (batch) => {
      for (const record of batch.records) {
        const entry = entryOfRecord(record, issuer, subject)
        if (entry !== undefined) entries.push(entry)
      }
      if (entries.length > ENTRIES_MAX) tooMany.abort()
      records += batch.nextOffset - batch.fetchedOffset
      onProgress(records, recordsTotal)
    },
    AbortSignal.any([signal, tooMany.signal]),
  )
  try {
    await reading
  } catch (error) {
    if (!tooMany.signal.aborted) throw error
    throw new RelayFault(
      'LR_USAGE',
      `--since: there are more than ${ENTRIES_MAX} records about that; look at a shorter time`,
      { cause: error },
    )
  }
  return entries
}
