/** Receives events at the ends of the log. */
export interface LogEdges {
  positionPassed(passed: PassedPosition): void
  /** All transactions that have been open for too long now. */
  openTransactions(open: readonly OpenTransaction[]): void
}

/** A position that the log no longer holds. All fields but the times are offsets. */
export interface PassedPosition {
  readonly topic: string
  readonly partition: number
  /**
   * `retention`: the log dropped the records from `wanted` on. `recreated`: they were in a deleted topic of this name.
   * `shortened`: the log ends before `wanted`. `forgotten`: neither Kafka nor Redis has a position any more, although Redis
   * holds the registry; reading begins as at a first start. `lacked`: Redis had fallen behind and lacks records that the
   * log has dropped.
   */
  readonly why: 'retention' | 'recreated' | 'shortened' | 'forgotten' | 'lacked'
  /** The next offset to read. */
  readonly wanted: number
  /** The offset where reading continues. */
  readonly position: number
  /** Time of the last record that was read. Milliseconds since the epoch, as is the next. */
  readonly lastMs?: number
  /** Time of the first record that is left; missing if there is none. */
  readonly earliestMs?: number
}

/** Records that are unreadable until another producer's transaction ends. */
export interface OpenTransaction {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly records: number
  /** When it was first seen. Milliseconds since the epoch. */
  readonly sinceMs: number
}
