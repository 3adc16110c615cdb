import type { RecordFields } from './record-encoding.ts'

/*
 * kafkajs gives every request the same time-out. A request of eight megabytes, such as a dead letter, needs longer over a
 * slow link or from a busy broker. kafkajs would give it up and send it again for ever, and likewise a fetch with a large
 * answer.
 */

/** A slower link counts as broken. Bytes per millisecond: a quarter of a megabyte per second. */
const SPEED_MIN = 256

interface ProduceOptions {
  /** The broker's time-out for its replicas. Milliseconds. */
  readonly timeout: number
  readonly topicData: readonly {
    readonly partitions: readonly { readonly messages: readonly RecordFields[] }[]
  }[]
}

type Produce = (options: ProduceOptions) => object

export interface ProduceRequests {
  readonly protocol: (of: { readonly version: number }) => Produce
}

/** Adds the time that its bytes need to a request's time-out. */
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

/** Counts text in characters and ignores headers, which are small. */
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

/** Answers come in the order of the requests, so no request times out while one is arriving. */
export function countFromLastData(prototype: ReadingConnection): void {
  const { processData } = prototype
  prototype.processData = function processProgress(data) {
    const now = Date.now()
    for (const request of this.requestQueue.inflight.values()) request.sentAt = now
    processData.call(this, data)
  }
}
