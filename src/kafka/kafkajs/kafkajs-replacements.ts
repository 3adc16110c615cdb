import { createRequire } from 'node:module'
import { crc32c } from './crc32c.ts'
import {
  type BatchPrototype,
  deliverEveryBatch,
  type RunnerPrototype,
  withoutAborted,
} from './fetched-batch.ts'
import { codecOf, inflated } from './inflate.ts'
import { type Connection, keepOneSocketAtATime } from './one-socket-at-a-time.ts'
import { groupByPartition } from './partition-groups.ts'
import { encodeRequest, leanProduceRequest } from './produce-encoding.ts'
import { recordSetDecoding } from './record-set.ts'
import { countFromLastData, type ReadingConnection, timedBySize } from './request-timeouts.ts'
import { tolerantMetadata } from './tolerant-metadata.ts'

const require = createRequire(import.meta.url)

replace('kafkajs/src/protocol/request.js', () => encodeRequest)
replace('kafkajs/src/protocol/requests/produce/v3/request.js', leanProduceRequest)
replace('kafkajs/src/protocol/requests/produce/index.js', timedBySize)
replace('kafkajs/src/protocol/recordBatch/crc32C/index.js', () => crc32c)
replace('kafkajs/src/producer/groupMessagesPerPartition.js', () => groupByPartition)
replace('kafkajs/src/protocol/requests/metadata/index.js', tolerantMetadata)
replace('kafkajs/src/protocol/requests/fetch/v4/decodeMessages.js', recordSetDecoding)
replace('kafkajs/src/consumer/filterAbortedMessages.js', () => withoutAborted)
deliverEveryBatch(
  (require('kafkajs/src/consumer/batch') as { prototype: BatchPrototype }).prototype,
  (require('kafkajs/src/consumer/runner') as { prototype: RunnerPrototype }).prototype,
)
const { prototype: connection } = require('kafkajs/src/network/connection') as {
  prototype: Connection & ReadingConnection
}
keepOneSocketAtATime(connection)
countFromLastData(connection)
inflateWithinBounds()
stopIdleTimers()

/** A replacement must give the result that the original gives or should give. A test verifies each. */
function replace<T>(file: string, replacement: (original: T) => T): void {
  const path = require.resolve(file)
  require(path)
  const module = require.cache[path]
  if (module !== undefined) module.exports = replacement(module.exports)
}

/** For record formats from before 2017, which kafkajs reads itself. It supports gzip only, without a bound. */
function inflateWithinBounds(): void {
  const { Codecs, Types } = require('kafkajs/src/protocol/message/compression') as {
    Codecs: Record<number, () => object>
    Types: Record<string, number>
  }
  const gzip = Codecs[Types.GZIP as number]?.()
  for (const type of Object.values(Types)) {
    if (type === Types.None) continue
    const own = type === Types.GZIP ? gzip : {}
    Codecs[type] = () => ({ ...own, decompress: (bytes: Buffer) => inflated(bytes, codecOf(type)) })
  }
}

/** kafkajs re-arms a timer per connection every few milliseconds even when idle, which costs 3 % of a core. */
function stopIdleTimers(): void {
  const RequestQueue = require('kafkajs/src/network/requestQueue') as {
    prototype: { pending: unknown[]; scheduleCheckPendingRequests(): void }
  }
  const original = RequestQueue.prototype.scheduleCheckPendingRequests
  RequestQueue.prototype.scheduleCheckPendingRequests = function scheduleIfPending() {
    if (this.pending.length > 0) original.call(this)
  }
}
