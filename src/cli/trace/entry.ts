/** One line of the timeline: a record of the topic, or what Redis holds now. */
export interface Entry extends Record<string, unknown> {
  /** Milliseconds since the epoch; of a record when it was written. */
  readonly atMs: number
  readonly kind:
    | ('registered' | 'trigger' | 'sent' | 'failed' | 'dead-letter' | 'ended' | 'owed' | 'alive')
    /** Nothing was sent, in shadow mode; a record, or the registration that is kept. */
    | 'shadowed'
    /** An outcome that no relay can have written. */
    | 'disbelieved'
    /** A record that names the subject, of a type that the relay does not read. */
    | 'unknown-type'
    /** A record that no relay has read yet: another producer's transaction is open before it, or around it. */
    | 'waiting'
    /** A record that no relay has read yet: it stands at their position or behind it. */
    | 'unread'
  readonly sessionId?: string
  readonly oidcSessionId?: string
  readonly clientId?: string
  readonly userId?: string
  /** For people. */
  readonly text: string
  /** Where the record stands; missing for what Redis holds. */
  readonly topic?: string
  readonly partition?: number
  readonly offset?: number
  /** Of one that is not read yet: the next record that the relays read, and how many they have before them. */
  readonly position?: number
  readonly lag?: number
  /** The trigger's own id, or the one that an outcome names. */
  readonly triggerId?: string
  readonly attempts?: number
  readonly status?: number
  readonly reason?: string
  readonly lastError?: string
  /** Where the last attempt went. */
  readonly origin?: string
  /** When the next attempt is due, milliseconds since the epoch. */
  readonly dueMs?: number
  /** Its client is paused, so it waits whatever is due. */
  readonly isPaused?: boolean
  /** A relay is at it. */
  readonly isHeld?: boolean
  /** How it ended is known, and not on the topic yet. */
  readonly isDecided?: boolean
}
