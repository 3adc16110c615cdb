import type { Decoders } from '../../events/decoding/decode-record.ts'
import { isOutcome, readOutcome } from '../../events/outcome.ts'
import type { TriggerOrigin } from '../../events/trigger.ts'
import {
  boundsAfterTransactions,
  hiddenIn,
  type LogReader,
  type PartitionRange,
} from '../../intake/log-reader.ts'
import type { RecordBatch } from '../../intake/record-source.ts'
import type { KafkaLogReader } from '../../kafka/kafka-log-reader.ts'
import { RelayFault } from '../../lib/errors.ts'
import { lookUpOrigins } from '../../recovery/origin-lookup.ts'
import type { Entry } from './entry.ts'
import { entriesOfRecord } from './entry-of-record.ts'
import type { Subject } from './subject.ts'

export interface LogSearch {
  readonly decoders: Decoders
  readonly reader: LogReader & Pick<KafkaLogReader, 'readHidden'>
  readonly topics: readonly string[]
  readonly outcomeTopic: string
  readonly issuer: string
  /** Records written before are not looked at. Milliseconds since the epoch. */
  readonly sinceMs: number
  readonly onProgress: (records: number, recordsTotal: number) => void
  /** Of these only outcomes can be read before another producer's transaction has ended. */
  readonly onHidden: (hidden: PartitionRange) => void
  /** Records that nobody can read. `why`: for people. */
  readonly onUnreadable: (why: string) => void
}

/** More than anybody reads. */
const ENTRIES_MAX = 100_000
const UNREADABLE_MAX = 20

/**
 * Every record about the subject, in the order of their times. What is learnt on the way, such as the sessions of a
 * user, may concern records that were read before: then the log is read once more. Throws when it is out of reach.
 */
export async function searchLog(search: LogSearch, subject: Subject, signal: AbortSignal): Promise<Entry[]> {
  const ranges = await rangesOf(search)
  for (;;) {
    const known = subject.size
    const { entries, origins, unreadable } = await pass(search, ranges, subject, signal)
    if (subject.size !== known) continue
    for (const why of unreadable) search.onUnreadable(why)
    const believed = await withoutForged(search, entries, origins, signal)
    return believed.sort((a, b) => a.atMs - b.atMs)
  }
}

interface Ranges {
  readonly readable: readonly PartitionRange[]
  readonly hidden: readonly PartitionRange[]
}

async function rangesOf({ reader, topics, sinceMs, onHidden }: LogSearch): Promise<Ranges> {
  const starts = await reader.offsetsAt(topics, sinceMs)
  const bounds = await boundsAfterTransactions(reader, topics)
  const hidden = hiddenIn(bounds)
  for (const range of hidden) onHidden(range)
  const readable = bounds.flatMap(({ topic, partition, from, to }) => {
    const start = starts.find((it) => it.topic === topic && it.partition === partition)?.offset ?? from
    return start < to ? [{ topic, partition, to, from: Math.max(start, from) }] : []
  })
  return { readable, hidden }
}

/** Outcomes of which a relay cannot have written any are marked. */
async function withoutForged(
  { decoders, reader, topics, outcomeTopic }: LogSearch,
  entries: readonly Entry[],
  origins: ReadonlyMap<Entry, TriggerOrigin | undefined>,
  signal: AbortSignal,
): Promise<Entry[]> {
  const named = [...origins.values()].filter((it) => it !== undefined)
  const held = await lookUpOrigins(reader, topics, decoders, named, signal)
  return entries.map((entry) => {
    if (!origins.has(entry)) return entry
    const origin = origins.get(entry)
    if (entry.topic !== outcomeTopic) return disbelieved(entry, `it is not on ${outcomeTopic}`)
    if (origin !== undefined && held(origin)) return entry
    return disbelieved(entry, 'its trigger is not on the topic')
  })
}

function disbelieved(entry: Entry, why: string): Entry {
  return { ...entry, kind: 'disbelieved', text: `ignored, because ${why}: ${entry.text}` }
}

function waiting(entry: Entry): Entry {
  return {
    ...entry,
    kind: 'waiting',
    text: `behind an open transaction, not read by any relay yet: ${entry.text}`,
  }
}

interface Found {
  readonly entries: Entry[]
  /** What the outcomes among them say that they go back to. */
  readonly origins: Map<Entry, TriggerOrigin | undefined>
  readonly unreadable: Set<string>
}

async function pass(
  { decoders, reader, issuer, onProgress }: LogSearch,
  { readable, hidden }: Ranges,
  subject: Subject,
  signal: AbortSignal,
): Promise<Found> {
  const recordsTotal = [...readable, ...hidden].reduce((sum, { from, to }) => sum + to - from, 0)
  const entries: Entry[] = []
  const origins: Found['origins'] = new Map()
  const unreadable = new Set<string>()
  let records = 0
  const tooMany = new AbortController()
  const take = async (batch: RecordBatch): Promise<void> => {
    for (const record of batch.records) {
      if (record.unreadable !== undefined && unreadable.size < UNREADABLE_MAX) {
        unreadable.add(`${record.topic}/${record.partition}/${record.offset}: ${record.unreadable}`)
      }
      for (const entry of entriesOfRecord(record, decoders, issuer, subject)) {
        entries.push(entry)
        if (entry.kind === 'sent' || entry.kind === 'failed') origins.set(entry, readOutcome(record)?.origin)
      }
    }
    if (entries.length > ENTRIES_MAX) tooMany.abort()
    records += batch.nextOffset - batch.fetchedOffset
    onProgress(records, recordsTotal)
  }
  const takeWaiting = async (batch: RecordBatch): Promise<void> => {
    for (const record of batch.records) {
      // Those of relays were read above, and one in a transaction is of no relay.
      if (isOutcome(record)) continue
      for (const entry of entriesOfRecord(record, decoders, issuer, subject)) entries.push(waiting(entry))
    }
    if (entries.length > ENTRIES_MAX) tooMany.abort()
  }
  const ended = AbortSignal.any([signal, tooMany.signal])
  try {
    await reader.read(readable, take, ended)
    await reader.readOutcomes(hidden, take, ended)
    await reader.readHidden(hidden, takeWaiting, ended)
  } catch (error) {
    if (!tooMany.signal.aborted) throw error
    throw new RelayFault(
      'LR_USAGE',
      `--since: there are more than ${ENTRIES_MAX} records; give a shorter time`,
      { cause: error },
    )
  }
  return { entries, origins, unreadable }
}
