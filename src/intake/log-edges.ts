/** Who is told of what happens at the ends of the log. */
export interface LogEdges {
  positionPassed(passed: PassedPosition): void
  /** All that are open for long enough now. */
  openTransactions(open: readonly OpenTransaction[]): void
}

/** A position that the log does not hold any more. All but the times are offsets. */
export interface PassedPosition {
  readonly topic: string
  readonly partition: number
  /**
   * `retention`: the records from `wanted` on were dropped. `recreated`: they were in a topic of this name that was
   * deleted. `shortened`: the log ends before it. `forgotten`: neither Kafka nor Redis knows it any more, although Redis
   * holds the registry; reading begins as at a first start. `lacked`: a Redis that had fallen behind lacks what the log has
   * dropped.
   */
  readonly why: 'retention' | 'recreated' | 'shortened' | 'forgotten' | 'lacked'
  /** What was to be read next. */
  readonly wanted: number
  /** Where reading goes on. */
  readonly position: number
  /** Of the last record that was read; milliseconds since the epoch, as is the next. */
  readonly lastMs?: number
  /** Of the first record that is left; missing where none is. */
  readonly earliestMs?: number
}

/** Records that nobody can read before a transaction of another producer has ended. */
export interface OpenTransaction {
  readonly topic: string
  readonly partition: number
  /** The first of them. */
  readonly from: number
  readonly records: number
  /** When it was first seen. Milliseconds since the epoch. */
  readonly sinceMs: number
}
