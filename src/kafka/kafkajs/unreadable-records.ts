import type { BatchContext } from './record-decoding.ts'

/** Stands for the unreadable records of a batch, as one record at their last offset. */
export class UnreadableRecords {
  readonly attributes = 0
  readonly headers = {}
  readonly isControlRecord = false
  readonly key = null
  readonly value = null
  readonly offset: string
  readonly timestamp: string
  readonly firstOffset: number
  /** Which records they are and what is wrong, for people. */
  readonly problem: string
  /** In an aborted transaction they are dropped like the rest. */
  readonly batchContext: BatchContext

  constructor(firstOffset: number, lastOffset: number, problem: string, batchContext: BatchContext) {
    this.firstOffset = firstOffset
    this.offset = String(lastOffset)
    this.timestamp = String(batchContext.maxTimestamp)
    this.problem = problem
    this.batchContext = batchContext
  }
}
