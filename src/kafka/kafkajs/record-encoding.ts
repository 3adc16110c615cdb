type Field = string | Buffer | null | undefined

export interface RecordFields {
  readonly key?: Field
  readonly value?: Field
  readonly headers?: Readonly<Record<string, Field | Field[]>> | undefined
}

/*
 * Record => Length Attributes TimestampDelta OffsetDelta Key Value [HeaderKey HeaderValue], Kafka's record format v2. The
 * time delta is always 0, because the records of a batch share one time.
 */

/** The size of a record without its Length. */
export function sizeOfRecordBody(offsetDelta: number, { key, value, headers = {} }: RecordFields): number {
  let size = 2 + sizeOfVarint(offsetDelta) + sizeOfField(key) + sizeOfField(value)
  let count = 0
  for (const name in headers) {
    const content = headers[name]
    if (Array.isArray(content)) {
      for (const one of content) size += sizeOfField(name) + sizeOfField(one)
      count += content.length
    } else {
      size += sizeOfField(name) + sizeOfField(content)
      count++
    }
  }
  return size + sizeOfVarint(count)
}

/** Writes a record whose body has `bodySize` bytes. Returns its end. */
export function writeRecord(
  buf: Buffer,
  start: number,
  offsetDelta: number,
  bodySize: number,
  { key, value, headers = {} }: RecordFields,
): number {
  let at = writeVarint(buf, start, bodySize)
  // Attributes (none in use), then the time delta.
  buf[at++] = 0
  buf[at++] = 0
  at = writeVarint(buf, at, offsetDelta)
  at = writeField(buf, at, key)
  at = writeField(buf, at, value)
  let count = 0
  for (const name in headers) {
    const content = headers[name]
    count += Array.isArray(content) ? content.length : 1
  }
  at = writeVarint(buf, at, count)
  for (const name in headers) {
    const content = headers[name]
    if (Array.isArray(content)) for (const one of content) at = writeHeader(buf, at, name, one)
    else at = writeHeader(buf, at, name, content)
  }
  return at
}

/** Zigzag varint of an integer of up to 31 bits. No batch holds more records or bytes. */
export function sizeOfVarint(value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  let size = 1
  while (rest >= 0x80) {
    rest >>>= 7
    size++
  }
  return size
}

function sizeOfField(field: Field): number {
  const length = lengthOf(field)
  return sizeOfVarint(length) + Math.max(length, 0)
}

/** -1 stands for null. */
function lengthOf(field: Field): number {
  if (field === null || field === undefined) return -1
  return typeof field === 'string' ? Buffer.byteLength(field) : field.length
}

function writeHeader(buf: Buffer, at: number, name: string, content: Field): number {
  return writeField(buf, writeField(buf, at, name), content)
}

function writeField(buf: Buffer, at: number, field: Field): number {
  const length = lengthOf(field)
  const start = writeVarint(buf, at, length)
  if (length <= 0) return start
  if (typeof field === 'string') buf.write(field, start)
  else (field as Buffer).copy(buf, start)
  return start + length
}

function writeVarint(buf: Buffer, start: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0
  let at = start
  while (rest >= 0x80) {
    buf[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  buf[at++] = rest
  return at
}
