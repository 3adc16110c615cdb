import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const encode = require('kafkajs/src/protocol/recordBatch/record/v0') as (fields: object) => { buffer: Buffer }

export interface BatchFields {
  readonly firstOffset?: number
  readonly lastOffset?: number
  /** The codec and other flags. */
  readonly attributes?: number
  readonly count?: number
  readonly payload: Buffer
}

/** A batch as a broker sends it, consistent or not. */
export function recordBatch({
  firstOffset = 0,
  attributes = 0,
  count = 1,
  lastOffset = firstOffset + count - 1,
  payload,
}: BatchFields): Buffer {
  const head = Buffer.alloc(61)
  head.writeBigInt64BE(BigInt(firstOffset), 0)
  head.writeInt32BE(head.length - 12 + payload.length, 8)
  head.writeInt8(2, 16)
  head.writeInt16BE(attributes, 21)
  head.writeInt32BE(lastOffset - firstOffset, 23)
  head.writeBigInt64BE(1_800_000_000_000n, 27)
  head.writeBigInt64BE(1_800_000_000_000n, 35)
  head.writeBigInt64BE(-1n, 43)
  head.writeInt32BE(count, 57)
  return Buffer.concat([head, payload])
}

/** Encoded records with these values. */
export function recordsOf(...values: readonly (string | Buffer)[]): Buffer {
  const records = values.map(
    (value, offsetDelta) =>
      encode({ offsetDelta, timestampDelta: 0, key: null, value: Buffer.from(value), headers: {} }).buffer,
  )
  return Buffer.concat(records)
}
