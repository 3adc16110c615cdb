/** Where a record stands in the log. */
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

/** A record as it came from the log, before anybody looked at its content, which is read anew each time it is asked for. */
export interface WireRecord extends RecordPosition {
  /** As `headerText`, where that can be told without reading the rest. */
  header?(name: string): string | undefined
  /** Why it cannot be read, where that is so: then there is no content, and it may stand for several that follow. */
  readonly unreadable?: string | undefined
  /** Milliseconds since the epoch, as the producer or the broker stamped it. */
  readonly timestampMs: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: WireHeaders
}

export type WireHeaders = Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>

/** The first value of a header as text; `undefined` for none, or an empty one. Kafka allows it to repeat: the first counts. */
export function headerText(headers: WireHeaders, name: string): string | undefined {
  const value = headers[name]
  const first = Array.isArray(value) ? value[0] : value
  const text = first == null ? '' : typeof first === 'string' ? first : first.toString('utf8')
  return text === '' ? undefined : text
}

/** As `headerText`, for whoever wants one header of a record and not the others. */
export function headerOf(record: WireRecord, name: string): string | undefined {
  return record.header === undefined ? headerText(record.headers, name) : record.header(name)
}

/** The type of a CloudEvent in binary mode, by its header alone; `undefined` for every other record. */
export function cloudEventType(record: WireRecord): string | undefined {
  return headerOf(record, 'ce_type')
}
