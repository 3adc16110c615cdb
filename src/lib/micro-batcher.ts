import { delay } from './deferred.ts'
import type { RepeatedStep } from './repeated-steps.ts'

export interface MicroBatcherOptions<T> {
  /** Writes one batch, all or nothing. Must be idempotent: it is called again with the same items after a throw. */
  readonly flush: (items: T[]) => Promise<void>
  /** Called after a successful flush, once per item, in the order of `add`. */
  readonly onFlushed: (item: T) => void
  readonly onError: RepeatedStep['onError']
  readonly onRecovered?: RepeatedStep['onRecovered'] | undefined
  readonly maxBatch: number
}

const RETRY_DELAY_MS_MIN = 100
const RETRY_DELAY_MS_MAX = 2_000

/**
 * Batches without a timer. One flush is in flight at a time; items added meanwhile go with the next. So an idle batcher
 * writes at once and a busy one writes large batches. A failed flush is repeated with backoff until it succeeds or the
 * batcher is stopped. Nothing is dropped or reordered.
 */
export class MicroBatcher<T> {
  #queue: T[] = []
  #flushing: Promise<void> | undefined
  #inFlight: readonly T[] = []
  readonly #stopped = new AbortController()
  readonly #options: MicroBatcherOptions<T>

  constructor(options: MicroBatcherOptions<T>) {
    this.#options = options
  }

  get size(): number {
    return this.#queue.length + this.#inFlight.length
  }

  unflushed(): T[] {
    return [...this.#inFlight, ...this.#queue]
  }

  add(item: T): void {
    this.#queue.push(item)
    this.#flushing ??= this.#run()
  }

  /** Resolves when everything added so far has been flushed, or the batcher was stopped. */
  async idle(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
  }

  /** Drops what is not flushed. Only for the end of the process, since the log brings it again. */
  stop(): void {
    this.#stopped.abort()
  }

  async #run(): Promise<void> {
    // One turn of the event loop lets everything that is ready now join the first batch.
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#queue.length > 0 && !this.#stopped.signal.aborted) {
      const batch =
        this.#queue.length <= this.#options.maxBatch
          ? this.#queue.splice(0)
          : this.#queue.splice(0, this.#options.maxBatch)
      this.#inFlight = batch
      const flushed = await this.#flushUntilDone(batch)
      this.#inFlight = []
      if (flushed) for (const item of batch) this.#options.onFlushed(item)
    }
    this.#flushing = undefined
  }

  async #flushUntilDone(batch: T[]): Promise<boolean> {
    for (let failures = 0; !this.#stopped.signal.aborted; ) {
      try {
        await this.#options.flush(batch)
        if (failures > 0) this.#options.onRecovered?.()
        return true
      } catch (error) {
        failures++
        this.#options.onError(error, failures)
        const ms = Math.min(RETRY_DELAY_MS_MIN * 2 ** (failures - 1), RETRY_DELAY_MS_MAX)
        await delay(ms, this.#stopped.signal)
      }
    }
    return false
  }
}
