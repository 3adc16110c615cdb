/*
 * Corrects three faults of kafkajs with fetched batches. Each can block a partition or deliver what must not be:
 *
 * - A fetch without readable records (only control records, aborted records or compacted batches) never reaches
 *   `eachBatch`: kafkajs moves on by itself, or not at all. Here it arrives as a batch without records, and ends where its
 *   last batch ends, not at its last record.
 * - Of two aborted transactions that began before the fetched offset, kafkajs delivers the first record of the second.
 * - It takes a record whose key is four zero bytes for the end of an aborted transaction.
 */
import { extentOf } from './record-set.ts'

interface Record {
  readonly offset: string
  readonly isControlRecord?: boolean
  readonly key?: Buffer | null
  readonly batchContext?: { readonly producerId: string; readonly inTransaction: boolean }
}

export interface BatchPrototype {
  readonly fetchedOffset: string
  readonly messages: readonly object[]
  readonly rawMessages: readonly object[]
  isEmptyDueToFiltering(): boolean
  lastOffset(): string
}

export interface RunnerPrototype {
  readonly running: boolean
  readonly eachBatch?: unknown
  handleBatch(batch: BatchPrototype): Promise<void>
  processEachBatch(batch: BatchPrototype): Promise<void>
  heartbeat(): Promise<void>
}

/** Hands on fetches without a readable record too, and ends each fetch where its last batch ends. */
export function deliverEveryBatch(prototype: BatchPrototype, runner: RunnerPrototype): void {
  const { lastOffset } = prototype
  const { handleBatch } = runner
  prototype.isEmptyDueToFiltering = function hasContent() {
    return (
      this.messages.length === 0 && (this.rawMessages.length > 0 || extentOf(this.rawMessages) !== undefined)
    )
  }
  prototype.lastOffset = function endOfLastBatch() {
    const end = extentOf(this.rawMessages)?.lastOffset
    // The first batch may begin before the requested offset, which it holds.
    return end === undefined ? lastOffset.call(this) : String(Math.max(end, Number(this.fetchedOffset)))
  }
  runner.handleBatch = async function deliver(batch) {
    if (!this.running || !this.eachBatch || !batch.isEmptyDueToFiltering()) {
      return handleBatch.call(this, batch)
    }
    await this.processEachBatch(batch)
    await this.heartbeat()
  }
}

export interface FetchedRecords<R extends Record> {
  readonly messages: readonly R[]
  readonly abortedTransactions?: readonly { producerId: string; firstOffset: string }[] | null
}

/** The records without those of aborted transactions. Control records stay. */
export function withoutAborted<R extends Record>({ messages, abortedTransactions }: FetchedRecords<R>): R[] {
  const begins = [...(abortedTransactions ?? [])].sort(
    (a, b) => Number(a.firstOffset) - Number(b.firstOffset),
  )
  if (begins.length === 0) return messages as R[]
  const aborted = new Set<string>()
  let next = 0
  return messages.filter((record) => {
    for (; next < begins.length && Number(begins[next]?.firstOffset) <= Number(record.offset); next++) {
      aborted.add(begins[next]?.producerId as string)
    }
    const { producerId = '', inTransaction = false } = record.batchContext ?? {}
    // A control record of either kind ends this producer's open transaction.
    if (record.isControlRecord) aborted.delete(producerId)
    else if (inTransaction && aborted.has(producerId)) return false
    return true
  })
}
