import type { RecordPosition, TopicPartition } from '../../events/wire-record.ts'
import type { LogReader } from '../../intake/log-reader.ts'
import type { Entry } from './entry.ts'

/** How far the relays have come in one partition. */
export interface ReadUpTo extends TopicPartition {
  /** The next record that they read; `undefined` where they have read none. */
  readonly position: number | undefined
  /** The offset after the last record. */
  readonly end: number
}

export interface PositionSources {
  readonly groupId: string
  /** Of the relays. */
  readonly inputs: readonly string[]
  readonly reader: Pick<LogReader, 'bounds' | 'committed'>
  /** What Redis says is applied, which may be further on than what is committed. */
  readonly applied: () => Promise<readonly RecordPosition[]>
}

/** Of each partition that the relays read. Throws when Kafka or Redis is out of reach, or does not allow it. */
export async function readUpTo({ applied, groupId, inputs, reader }: PositionSources): Promise<ReadUpTo[]> {
  const [committed, inRedis] = await Promise.all([reader.committed(groupId, inputs), applied()])
  // Last, so that no position is beyond an end that was read before it.
  const bounds = await reader.bounds(inputs)
  return bounds.map(({ topic, partition, to, end = to }) => {
    const isHere = (it: TopicPartition) => it.topic === topic && it.partition === partition
    const known = [...committed, ...inRedis].filter(isHere).map(({ offset }) => offset)
    return { topic, partition, end, position: known.length === 0 ? undefined : Math.max(...known) }
  })
}

/**
 * Marks the triggers and registrations that no relay has read yet. A position is written after what it covers, so what Redis
 * or an outcome shows to have been taken up was read, wherever the position stands.
 */
export function markUnread(
  records: readonly Entry[],
  held: readonly Entry[],
  partitions: readonly ReadUpTo[],
): Entry[] {
  const seen = [...held, ...records]
  return records.map((entry) => {
    const { kind, offset = 0 } = entry
    if (kind !== 'trigger' && kind !== 'registered') return entry
    const at = partitions.find((it) => it.topic === entry.topic && it.partition === entry.partition)
    if (at === undefined || offset < (at.position ?? 0) || wasTakenUp(entry, seen)) return entry
    const { end, position } = at
    const lag = end - Math.min(position ?? 0, end)
    return {
      ...entry,
      kind: 'unread',
      text: `not read yet, ${unreadText({ offset, lag, ...(position !== undefined && { position }) })}: ${entry.text}`,
      lag,
      ...(position !== undefined && { position }),
    }
  })
}

/** Where a record stands, and how far the relays are from it. */
export function unreadText({ lag, offset, position }: Pick<Entry, 'lag' | 'offset' | 'position'>): string {
  const where = position === undefined ? 'no relay has read this partition' : `position ${position}`
  return `${where}, record at ${offset}, lag ${lag}`
}

function wasTakenUp({ kind, oidcSessionId, sessionId, triggerId }: Entry, seen: readonly Entry[]): boolean {
  return seen.some((it) => {
    if (kind === 'trigger') return it.kind !== 'trigger' && it.triggerId === triggerId
    const isIt = it.sessionId === sessionId && it.oidcSessionId === oidcSessionId
    return isIt && it.kind !== 'registered'
  })
}
