/** A record to be appended, with the partition it belongs to where that is known. */
export interface OutgoingRecord {
  readonly topic: string
  readonly partition?: number
  /** Of the record; now where it is not given. Milliseconds since the epoch. */
  readonly timestampMs?: number
  readonly key: string | Buffer | null
  readonly value: string | Buffer | null
  readonly headers: Record<string, string | Buffer | (string | Buffer)[]>
  /** The same in fewer bytes, for a topic that refuses it; `undefined` when nothing more can be left out. */
  readonly shorter?: () => OutgoingRecord | undefined
}

/** Where outcomes and dead letters are appended. */
export interface OutcomeLog {
  /**
   * Resolves when every record is durable on all in-sync replicas; throws when any may not be, in which case some
   * are. The caller repeats the whole call; consumers drop repeated outcomes by their id. `LR_RECORD_TOO_LARGE` says that
   * a topic refuses one of them for its size, or several for the size that they have together.
   */
  append(records: readonly OutgoingRecord[]): Promise<void>
}
