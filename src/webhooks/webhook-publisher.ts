import type { OutcomeLog, OutgoingRecord } from '../delivery/outcome-log.ts'
import { settledWithin } from '../lib/deferred.ts'
import { codeOf } from '../lib/errors.ts'

export type PublishResult = 'published' | 'unpublished' | 'too-large'

export interface WebhookPublisherOptions {
  readonly log: OutcomeLog
  /** Kafka did not take the records of that topic. */
  readonly onFailed: (topic: string, error: unknown) => void
  readonly onPublished: (topic: string) => void
}

interface Waiting {
  readonly topic: string
  readonly bytes: number
  readonly records: readonly OutgoingRecord[]
  readonly done: (result: PublishResult) => void
  /** It has had its answer. */
  isOver: boolean
}

/** Okta waits three seconds for its answer, others longer. */
const ANSWER_MS_MAX = 2_500
/** Of all that waits for its acknowledgement. */
const WAITING_BYTES_MAX = 16 * 1_024 * 1_024
const BATCH_BYTES_MAX = 1_024 * 1_024

/**
 * Appends the records of webhooks, and says of each webhook whether they are durable. What is not acknowledged in time may be on
 * the topic all the same: its platform sends it again, and a repeated trigger finds nothing that is still owed.
 */
export class WebhookPublisher {
  readonly #options: WebhookPublisherOptions
  #queue: Waiting[] = []
  #bytes = 0
  #running: Promise<void> | undefined

  constructor(options: WebhookPublisherOptions) {
    this.#options = options
  }

  /** Resolves when all records are acknowledged, or the time is over. All belong to one topic. Never throws. */
  async publish(topic: string, records: readonly OutgoingRecord[]): Promise<PublishResult> {
    if (records.length === 0) return 'published'
    const bytes = records.reduce((sum, { value }) => sum + (value?.length ?? 0), 0)
    if (this.#bytes + bytes > WAITING_BYTES_MAX) return 'unpublished'
    this.#bytes += bytes
    let result: PublishResult = 'unpublished'
    const { promise, resolve } = Promise.withResolvers<void>()
    const done = (found: PublishResult): void => {
      result = found
      this.#bytes -= bytes
      resolve()
    }
    const waiting: Waiting = { topic, bytes, records, done, isOver: false }
    this.#queue.push(waiting)
    this.#running ??= this.#run()
    if (await settledWithin(promise, ANSWER_MS_MAX)) return result
    waiting.isOver = true
    // What nobody waits for any more is not begun; the platform brings it again.
    const at = this.#queue.indexOf(waiting)
    if (at !== -1) {
      this.#queue.splice(at, 1)
      done('unpublished')
    }
    return 'unpublished'
  }

  async #run(): Promise<void> {
    // One turn of the event loop lets everything that is ready now join the first batch.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#queue.length > 0) await this.#flush(this.#nextBatch())
    this.#running = undefined
  }

  /** The oldest, and others for its topic: what is wrong with one topic fails no webhook for another. */
  #nextBatch(): Waiting[] {
    const [first] = this.#queue
    const batch: Waiting[] = []
    let bytes = 0
    for (const waiting of this.#queue) {
      if (waiting.topic !== first?.topic) continue
      bytes += waiting.bytes
      if (batch.length > 0 && bytes > BATCH_BYTES_MAX) break
      batch.push(waiting)
    }
    const taken = new Set(batch)
    this.#queue = this.#queue.filter((it) => !taken.has(it))
    return batch
  }

  async #flush(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#options.log.append(batch.flatMap(({ records }) => records))
    } catch (error) {
      const isTooLarge = codeOf(error) === 'LR_RECORD_TOO_LARGE'
      if (batch.length > 1 && isTooLarge) {
        for (const waiting of batch) {
          if (waiting.isOver) waiting.done('unpublished')
          else await this.#flush([waiting])
        }
        return
      }
      for (const { topic, done } of batch) {
        // Kafka is well, and takes what others send.
        if (!isTooLarge) this.#options.onFailed(topic, error)
        done(isTooLarge ? 'too-large' : 'unpublished')
      }
      return
    }
    for (const { topic, done } of batch) {
      this.#options.onPublished(topic)
      done('published')
    }
  }
}
