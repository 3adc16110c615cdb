import type { RecordFields } from './record-encoding.ts'

/*
 * kafkajs gives a request the same time whatever its size. One of eight megabytes, a dead letter say, needs more than that
 * over a slow link or from a busy broker; it was given up and sent again from its beginning, for ever, and so was a fetch
 * whose answer is as large.
 */

/** What is slower than that is as good as broken. Bytes per millisecond, a quarter of a megabyte per second. */
const SPEED_MIN = 256

interface ProduceOptions {
  /** For the broker: how long its replicas may take. Milliseconds. */
  readonly timeout: number
  readonly topicData: readonly {
    readonly partitions: readonly { readonly messages: readonly RecordFields[] }[]
  }[]
}

type Produce = (options: ProduceOptions) => object

export interface ProduceRequests {
  readonly protocol: (of: { readonly version: number }) => Produce
}

/** Requests to which the time is added that their bytes need. */
export function timedBySize(original: ProduceRequests): ProduceRequests {
  return {
    ...original,
    protocol: (of) => {
      const produce = original.protocol(of)
      return (options) => {
        const timeout = options.timeout + Math.ceil(bytesOf(options) / SPEED_MIN)
        return { ...produce({ ...options, timeout }), requestTimeout: timeout }
      }
    },
  }
}

/** In characters where it is text; headers are little. */
function bytesOf({ topicData }: ProduceOptions): number {
  let bytes = 0
  for (const { partitions } of topicData)
    for (const { messages } of partitions)
      for (const { key, value } of messages) bytes += (key?.length ?? 0) + (value?.length ?? 0)
  return bytes
}

export interface ReadingConnection {
  readonly requestQueue: { readonly inflight: ReadonlyMap<number, { sentAt: number }> }
  processData(data: Buffer): void
}

/** Answers come in the order of the requests: while one is coming in, no request has waited in vain. */
export function countFromLastData(prototype: ReadingConnection): void {
  const { processData } = prototype
  prototype.processData = function processProgress(data) {
    const now = Date.now()
    for (const request of this.requestQueue.inflight.values()) request.sentAt = now
    processData.call(this, data)
  }
}
