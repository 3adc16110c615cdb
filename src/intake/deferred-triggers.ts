import type { IssuerShares } from '../delivery/issuer-shares.ts'
import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import { delay } from '../lib/deferred.ts'
import { Fifo } from '../lib/fifo.ts'
import type { Mutex } from '../lib/mutex.ts'
import type { BatchItem } from './handover.ts'
import type { PartitionQueue } from './partition-queue.ts'
import type { TriggerStep } from './trigger-step.ts'

export interface DeferredTriggersOptions {
  /** Applies triggers of one partition, in order, and acknowledges them. */
  readonly apply: (queue: PartitionQueue, batch: readonly BatchItem[]) => Promise<void>
  readonly open: Pick<OpenDeliveries, 'isHalfFullFor' | 'placesFor'>
  /** Deliveries that a trigger brings, on the average. */
  readonly owedPerTrigger: () => number
  readonly shares: Pick<IssuerShares, 'get'>
  readonly stopped: AbortSignal
  readonly mutex: Mutex
}

type TriggerItem = BatchItem & { readonly step: TriggerStep }

interface Deferred {
  readonly queue: PartitionQueue
  readonly item: TriggerItem
}

/** Above it no further trigger waits here. */
const HELD_BYTES_MAX = 12 * 1_024 * 1_024
/** Approximate memory of a trigger beside its content. */
const TRIGGER_BYTES = 1_024
/** So few that another issuer's record does not wait long for its turn. */
const BATCH_MAX = 8
const LOOK_MS = 5

/**
 * Triggers of an issuer that has had its share of the room while other issuers are told something, too. They wait here, with
 * their offsets uncommitted, and the records behind them go on: to park their deliveries in the registry and to claim them
 * again costs three times as much as to send them.
 */
export class DeferredTriggers {
  readonly #options: DeferredTriggersOptions
  readonly #byIssuer = new Map<string, Fifo<Deferred>>()
  #heldBytes = 0

  constructor(options: DeferredTriggersOptions) {
    this.#options = options
  }

  /** True when the trigger waits here, and is applied later. `before`: those that are applied before it, in the same step. */
  take(queue: PartitionQueue, item: TriggerItem, before: number): boolean {
    const { issuer } = item.step
    const waiting = this.#byIssuer.get(issuer)
    const mustWait = waiting !== undefined || this.#fitting(issuer) <= before
    if (!mustWait || this.#heldBytes >= HELD_BYTES_MAX) return false
    this.#heldBytes += bytesOf(item)
    queue.tracker.defer(1)
    if (waiting !== undefined) {
      waiting.push({ queue, item })
      return true
    }
    const first = new Fifo<Deferred>()
    first.push({ queue, item })
    this.#byIssuer.set(issuer, first)
    void this.#run(issuer, first)
    return true
  }

  /** How many triggers fit into what the issuer has left of its share; none while others are told and it has used half. */
  #fitting(issuer: string): number {
    const { open, owedPerTrigger, shares } = this.#options
    const share = shares.get(issuer)
    // Alone, intake itself waits, and the rest stays on the log.
    if (share === undefined || share.isAlone) return Number.POSITIVE_INFINITY
    const fitting = Math.floor(open.placesFor(share) / owedPerTrigger())
    return fitting > 0 || open.isHalfFullFor(share) ? fitting : 1
  }

  async #run(issuer: string, waiting: Fifo<Deferred>): Promise<void> {
    const { apply, mutex, stopped } = this.#options
    while (waiting.size > 0 && !stopped.aborted) {
      const queue = (waiting.peek() as Deferred).queue
      // A held queue may soon be released, or its partition may move to another replica.
      while (!queue.isClosed && !stopped.aborted && (!queue.isOpen || this.#fitting(issuer) < 1))
        await delay(LOOK_MS, stopped)
      const release = await mutex.acquire()
      try {
        // The new owner of a closed queue reads its records again.
        if (queue.isClosed) this.#takeBatch(waiting, queue, BATCH_MAX)
        else if (queue.isOpen && !stopped.aborted)
          await apply(queue, this.#takeBatch(waiting, queue, Math.min(this.#fitting(issuer), BATCH_MAX)))
      } finally {
        release()
      }
    }
    this.#byIssuer.delete(issuer)
  }

  #takeBatch(waiting: Fifo<Deferred>, queue: PartitionQueue, max: number): BatchItem[] {
    const batch: BatchItem[] = []
    while (batch.length < max && waiting.peek()?.queue === queue) {
      const { item } = waiting.shift() as Deferred
      this.#heldBytes -= bytesOf(item)
      queue.tracker.defer(-1)
      batch.push(item)
    }
    return batch
  }
}

function bytesOf({ wire }: BatchItem): number {
  return (wire.value?.byteLength ?? 0) + TRIGGER_BYTES
}
