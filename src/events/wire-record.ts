export interface RecordPosition {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** `topic/partition/offset` */
export function positionOf({ topic, partition, offset }: RecordPosition): string {
  return `${topic}/${partition}/${offset}`
}

export type TopicPartition = Pick<RecordPosition, 'topic' | 'partition'>

/** A raw record of the log. Its content is read anew on each access. */
export interface WireRecord extends RecordPosition {
  /** As `headerText`, if the record can find one header without reading the rest. */
  header?(name: string): string | undefined
  /** Why the record is unreadable, if it is. It has no content then, and may stand for several records. */
  readonly unreadable?: string | undefined
  /** Milliseconds since the epoch, as stamped by the producer or the broker. */
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: WireHeaders
}

export function isSamePartition(one: TopicPartition, other: TopicPartition): boolean {
  return one.topic === other.topic && one.partition === other.partition
}

export type WireHeaders = Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>

/** A header's value as text; `undefined` if missing or empty. Kafka allows repeated headers: the first counts. */
export function headerText(headers: WireHeaders, name: string): string | undefined {
  const value = headers[name]
  const first = Array.isArray(value) ? value[0] : value
  const text = first == null ? '' : typeof first === 'string' ? first : first.toString('utf8')
  return text === '' ? undefined : text
}

/** As `headerText`, for one header of a record. */
export function headerOf(record: WireRecord, name: string): string | undefined {
  return record.header === undefined ? headerText(record.headers, name) : record.header(name)
}

/** The type of a CloudEvent in binary mode, by its header alone; `undefined` for any other record. */
export function cloudEventType(record: WireRecord): string | undefined {
  return headerOf(record, 'ce_type')
}
