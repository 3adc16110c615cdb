import type { BatchContext } from './record-decoding.ts'

/** Stands for the records of a batch that cannot be read, as one record at the last of their offsets. */
export class UnreadableRecords {
  readonly attributes = 0
  readonly headers = {}
  readonly isControlRecord = false
  readonly key = null
  readonly value = null
  readonly offset: string
  readonly timestamp: string
  readonly firstOffset: number
  /** For people: which they are, and what is wrong with them. */
  readonly problem: string
  /** Of an aborted transaction they are left out like the rest. */
  readonly batchContext: BatchContext

  constructor(firstOffset: number, lastOffset: number, problem: string, batchContext: BatchContext) {
    this.firstOffset = firstOffset
    this.offset = String(lastOffset)
    this.timestamp = String(batchContext.maxTimestamp)
    this.problem = problem
    this.batchContext = batchContext
  }
}
