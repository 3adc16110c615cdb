/** A record to be appended, with the partition it belongs to where that is known. */
export interface OutgoingRecord {
  readonly topic: string
  readonly partition?: number
  readonly key: string | Buffer | null
  readonly value: string | Buffer | null
  readonly headers: Record<string, string | Buffer | (string | Buffer)[]>
}

/** Where outcomes and dead letters are appended. */
export interface OutcomeLog {
  /**
   * Resolves when every record is durable on all in-sync replicas; throws when any may not be, in which case some
   * are. The caller repeats the whole call; consumers drop repeated outcomes by their id.
   */
  append(records: readonly OutgoingRecord[]): Promise<void>
}
