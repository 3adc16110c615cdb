import type { IssuerShares } from '../delivery/issuer-shares.ts'
import type { OpenDeliveries } from '../delivery/open-deliveries.ts'
import { delay } from '../lib/deferred.ts'
import { Fifo } from '../lib/fifo.ts'
import { Gate } from '../lib/gate.ts'
import type { Mutex } from '../lib/mutex.ts'
import type { BatchItem } from './handover.ts'
import type { PartitionQueue } from './partition-queue.ts'

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

interface Deferred {
  readonly queue: PartitionQueue
  readonly item: BatchItem
  readonly names: readonly string[]
}

/** Above it no further trigger waits here. */
const HELD_BYTES_MAX = 12 * 1_024 * 1_024
/** Of logins that must wait there may be more; then intake waits as well. */
const FULL_BYTES = 2 * HELD_BYTES_MAX
/** Approximate memory of a trigger beside its content. */
const TRIGGER_BYTES = 1_024
/** So few that another issuer's record does not wait long for its turn. */
const BATCH_MAX = 8
const LOOK_MS = 5

/**
 * Triggers of an issuer that has had its share of the room while other issuers are told something, too. They wait here, with
 * their offsets uncommitted, and the records behind them go on: to park their deliveries in the registry and to claim them
 * again costs three times as much as to send them. A login again under the ids of a session that is to end waits behind its end, and
 * would otherwise take its place.
 */
export class DeferredTriggers {
  /** Open while more may wait; intake waits for it. */
  readonly room = new Gate(true)
  readonly #options: DeferredTriggersOptions
  readonly #byIssuer = new Map<string, Fifo<Deferred>>()
  /** Sessions and users that something here is about, and how many times. */
  readonly #names = new Map<string, number>()
  #heldBytes = 0

  constructor(options: DeferredTriggersOptions) {
    this.#options = options
  }

  /** True when the item waits here, and is applied later. `before`: those that are applied before it, in the same step. */
  take(queue: PartitionQueue, item: BatchItem, before: number): boolean {
    const { step } = item
    if ('ending' in step) {
      const mustWait = this.#byIssuer.has(step.issuer) || this.#fitting(step.issuer) <= before
      if (!mustWait || this.#heldBytes >= HELD_BYTES_MAX) return false
      this.#hold(step.issuer, { queue, item, names: [nameOf(step)] })
      return true
    }
    if (step.kind !== 'register' || this.#names.size === 0) return false
    const { issuer, sessionId, userId } = step.registration
    const names = [
      nameOf({ issuer, sessionId }),
      ...(userId === undefined ? [] : [nameOf({ issuer, userId })]),
    ]
    if (!names.some((it) => this.#names.has(it))) return false
    this.#hold(issuer, { queue, item, names })
    return true
  }

  #hold(issuer: string, deferred: Deferred): void {
    const { item, names, queue } = deferred
    this.#heldBytes += bytesOf(item)
    if (this.#heldBytes >= FULL_BYTES) this.room.close()
    for (const name of names) this.#names.set(name, (this.#names.get(name) ?? 0) + 1)
    queue.tracker.defer(1)
    const waiting = this.#byIssuer.get(issuer)
    if (waiting !== undefined) {
      waiting.push(deferred)
      return
    }
    const first = new Fifo<Deferred>()
    first.push(deferred)
    this.#byIssuer.set(issuer, first)
    void this.#run(issuer, first)
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
      const { item, names } = waiting.shift() as Deferred
      this.#heldBytes -= bytesOf(item)
      if (this.#heldBytes < FULL_BYTES) this.room.open()
      for (const name of names) {
        const left = (this.#names.get(name) ?? 1) - 1
        if (left === 0) this.#names.delete(name)
        else this.#names.set(name, left)
      }
      queue.tracker.defer(-1)
      batch.push(item)
    }
    return batch
  }
}

function nameOf(of: {
  readonly issuer: string
  readonly sessionId?: string
  readonly userId?: string
}): string {
  return of.sessionId === undefined
    ? `${of.issuer}\nuser\n${of.userId}`
    : `${of.issuer}\nsession\n${of.sessionId}`
}

function bytesOf({ wire }: BatchItem): number {
  return (wire.value?.byteLength ?? 0) + TRIGGER_BYTES
}
