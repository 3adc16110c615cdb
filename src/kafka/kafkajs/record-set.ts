import { codecOf, INFLATED_BYTES_MAX, inflated } from './inflate.ts'
import { type BatchContext, DecodedRecord, Malformed, Reader } from './record-decoding.ts'
import { TooLarge } from './too-large.ts'
import { UnreadableRecords } from './unreadable-records.ts'

/*
 * Decodes the batches that a fetch returns for a partition (Kafka's record format v2):
 * RecordBatch => FirstOffset Length PartitionLeaderEpoch Magic CRC Attributes LastOffsetDelta FirstTimestamp MaxTimestamp
 *   ProducerId ProducerEpoch FirstSequence Count Records
 *
 * kafkajs inflates every batch, and one bad batch fails the fetch, which kafkajs then repeats for ever. This decoder skips
 * a batch that is unreadable or too large, and puts an entry for the dead letters in its place.
 */

interface Decoder {
  readonly buffer: Buffer
  offset: number
}

type DecodeRecords = (decoder: Decoder) => Promise<object>

const LENGTH_AT = 8
const PREFIX_BYTES = LENGTH_AT + 4
const MAGIC_AT = 16
const MAGIC = 2
const ATTRIBUTES_AT = 21
const LAST_OFFSET_DELTA_AT = 23
const FIRST_TIMESTAMP_AT = 27
const MAX_TIMESTAMP_AT = 35
const PRODUCER_ID_AT = 43
const COUNT_AT = 57
const HEAD_BYTES = COUNT_AT + 4
const CODEC_MASK = 0x07
const LOG_APPEND_TIME_FLAG = 0x08
const TRANSACTION_FLAG = 0x10
const CONTROL_FLAG = 0x20

/** Each record costs an object and its places in lists, however few bytes it has. */
const RECORDS_MAX = 100_000
const RECORD_BYTES = 120
/**
 * Above so much memory for one response, its further batches are left for the next fetch: each of a hundred small ones may
 * inflate to nearly the limit of a batch. Bytes.
 */
const RESPONSE_BYTES_MAX = INFLATED_BYTES_MAX / 2

/** The part of the log that a decoded list of records covers. */
interface Extent {
  readonly lastOffset: number
  /** Approximate memory that they use. */
  readonly bytes: number
}

const extents = new WeakMap<object, Extent>()
/** Memory by response. Its partitions are decoded one after the other. */
const spentOn = new WeakMap<Decoder, { bytes: number }>()

/** The extent of the records decoded from one partition of a response; `undefined` if no batch was complete. */
export function extentOf(records: object): Extent | undefined {
  return extents.get(records)
}

/** `legacy` reads formats from before 2017. */
export function recordSetDecoding(legacy: DecodeRecords): DecodeRecords {
  return async (decoder) => {
    const start = decoder.offset + 4
    const end = start + decoder.buffer.readInt32BE(decoder.offset)
    const isThere = end > start + MAGIC_AT && end <= decoder.buffer.length
    if (isThere && decoder.buffer[start + MAGIC_AT] !== MAGIC)
      return legacyOrLeftOut(legacy, decoder, start, end)
    decoder.offset = Math.max(end, start)
    const set = decoder.buffer.subarray(start, end)
    const spent = spentOn.get(decoder) ?? { bytes: 0 }
    spentOn.set(decoder, spent)
    return decode(set, spent)
  }
}

/** MessageSet => [Offset MessageSize Message]. Each message may hold compressed messages. */
async function legacyOrLeftOut(
  legacy: DecodeRecords,
  decoder: Decoder,
  start: number,
  end: number,
): Promise<object> {
  try {
    return await legacy(decoder)
  } catch {
    decoder.offset = end
    const { buffer } = decoder
    const firstOffset = Number(buffer.readBigInt64BE(start))
    let lastOffset = firstOffset
    for (let at = start; at + PREFIX_BYTES <= end; at += PREFIX_BYTES + buffer.readUInt32BE(at + LENGTH_AT))
      lastOffset = Math.max(lastOffset, Number(buffer.readBigInt64BE(at)))
    const why = `batch: ${end - start} bytes of an old format at the offsets ${firstOffset}-${lastOffset} cannot be read`
    return [new UnreadableRecords(firstOffset, lastOffset, why, { ...LEGACY_CONTEXT, firstOffset })]
  }
}

const LEGACY_CONTEXT = {
  firstTimestamp: -1,
  maxTimestamp: -1,
  isStampedByBroker: false,
  isControlBatch: false,
  inTransaction: false,
  producerId: '-1',
}

async function decode(set: Buffer, spent: { bytes: number }): Promise<object[]> {
  const records: object[] = []
  let bytes = 0
  let lastOffset: number | undefined
  for (let at = 0; at + HEAD_BYTES <= set.length; ) {
    const end = at + PREFIX_BYTES + set.readInt32BE(at + LENGTH_AT)
    // The size of the fetch may have cut off the last batch.
    if (set[at + MAGIC_AT] !== MAGIC || end > set.length || spent.bytes >= RESPONSE_BYTES_MAX) break
    const batch = new RecordBatch(set.subarray(at, Math.max(end, at + HEAD_BYTES)))
    const taken = await batch.decodeInto(records)
    bytes += taken.bytes
    // Uncompressed records were fetched already, and the fetch bounds them.
    spent.bytes += taken.bytes - taken.fetchedBytes
    lastOffset = batch.lastOffset
    at = Math.max(end, at + HEAD_BYTES)
  }
  if (lastOffset !== undefined) extents.set(records, { lastOffset, bytes })
  return records
}

class RecordBatch {
  readonly firstOffset: number
  readonly lastOffset: number
  readonly #bytes: Buffer
  readonly #context: BatchContext

  constructor(bytes: Buffer) {
    const attributes = bytes.readInt16BE(ATTRIBUTES_AT)
    this.#bytes = bytes
    this.firstOffset = Number(bytes.readBigInt64BE(0))
    this.lastOffset = this.firstOffset + Math.max(bytes.readInt32BE(LAST_OFFSET_DELTA_AT), 0)
    this.#context = {
      firstOffset: this.firstOffset,
      firstTimestamp: Number(bytes.readBigInt64BE(FIRST_TIMESTAMP_AT)),
      maxTimestamp: Number(bytes.readBigInt64BE(MAX_TIMESTAMP_AT)),
      isStampedByBroker: (attributes & LOG_APPEND_TIME_FLAG) !== 0,
      isControlBatch: (attributes & CONTROL_FLAG) !== 0,
      inTransaction: (attributes & TRANSACTION_FLAG) !== 0,
      producerId: String(bytes.readBigInt64BE(PRODUCER_ID_AT)),
    }
  }

  /** Returns the approximate memory used, and how much of it was there before. */
  async decodeInto(records: object[]): Promise<{ bytes: number; fetchedBytes: number }> {
    const count = this.#bytes.readInt32BE(COUNT_AT)
    const codec = codecOf(this.#bytes.readInt16BE(ATTRIBUTES_AT) & CODEC_MASK)
    const payload = this.#bytes.subarray(HEAD_BYTES)
    const leaveOut = (from: number, why: string): void => {
      const { firstOffset, lastOffset } = this
      const what = `${payload.length} bytes of ${codec?.name ?? 'an unknown compression'} at the offsets ${firstOffset}-${lastOffset}`
      const first = Math.min(from, lastOffset)
      records.push(new UnreadableRecords(first, lastOffset, `batch: ${what} ${why}`, this.#context))
    }
    if (count > RECORDS_MAX) {
      leaveOut(this.firstOffset, `hold ${count} records, more than the ${RECORDS_MAX} allowed`)
      return { bytes: RECORD_BYTES, fetchedBytes: 0 }
    }
    let content = payload
    try {
      if (payload.length > 0) content = await inflated(payload, codec)
    } catch (error) {
      const why =
        error instanceof TooLarge
          ? `hold more than the ${INFLATED_BYTES_MAX} bytes allowed`
          : 'cannot be read'
      leaveOut(this.firstOffset, why)
      return { bytes: INFLATED_BYTES_MAX, fetchedBytes: 0 }
    }
    const before = records.length
    const next = this.#readAll(content, count, records)
    const taken = records.length - before
    if (next !== undefined) leaveOut(next, `do not hold the ${count} records that they should`)
    const fetchedBytes = content === payload ? payload.length : 0
    return { bytes: content.length + taken * RECORD_BYTES, fetchedBytes }
  }

  /** Returns the offset from which records are unreadable, if any. */
  #readAll(content: Buffer, count: number, records: object[]): number | undefined {
    const reader = new Reader(content, 0)
    let next = this.firstOffset
    try {
      for (let left = count; left > 0; left--) {
        const length = reader.varint()
        if (length < 0 || length > reader.left) return next
        const end = reader.at + length
        const record = new DecodedRecord(content, reader.at, end, this.#context)
        const offset = Number(record.offset)
        if (offset < next || offset > this.lastOffset) return next
        records.push(record)
        next = offset + 1
        reader.at = end
      }
    } catch (error) {
      if (error instanceof Malformed) return next
      throw error
    }
    return count < 0 || reader.left > 0 ? next : undefined
  }
}
