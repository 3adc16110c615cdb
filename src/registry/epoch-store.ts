import type { TopicPartition } from '../events/wire-record.ts'
import type { StoreProof } from './epoch-guard.ts'

/** What a store shows of itself. */
export interface StoredEpoch {
  readonly id: string
  /** It was set on the server that answers now, and not on one from which this one has an older copy. */
  readonly isOfThisRun: boolean
  /** The server does not say which run of it answers, so that nobody can tell whether it is the same one. */
  readonly isUnknownRun: boolean
  /** When a relay last wrote that it is there: what any relay had written before is in the store. Milliseconds since the epoch. */
  readonly heartbeatMs: number | undefined
  /** When the epoch was set: until then all replicas' work is in this store, whatever server they worked with. Milliseconds. */
  readonly provedAtMs: number | undefined
}

/** Up to where the records of a partition are applied to the store. */
export interface AppliedPosition extends TopicPartition {
  /** Every record before it is settled: its outcomes acknowledged and its registrations removed, or parked. */
  readonly offset: number
  /** Triggers before it were never to be sent: where the group first started. */
  readonly start: number
  /** Of the topic whose offsets these are; empty where the cluster tells none. */
  readonly topicId: string
}

/**
 * The marker that tells a store which holds the registry from one that lost it or has fallen behind, how far the log is
 * applied to it, and the lock under which one replica builds the registry anew or completes it. Every method throws when
 * the store cannot be reached.
 */
export interface EpochStore {
  /** Which run of the server answers now. */
  readonly runId: string
  /** `undefined` when there is no epoch: the store is empty, or is being built for the first time. */
  read(): Promise<StoredEpoch | undefined>
  /** Takes the lock for `ms`; false when another owner has it. Atomic. */
  lock(owner: string, ms: number): Promise<boolean>
  /** Prolongs the lock; false when it is not the owner's any more. */
  renew(owner: string, ms: number): Promise<boolean>
  unlock(owner: string): Promise<void>
  /**
   * Sets a new epoch of the server of that run; `undefined` when another one answers now, or the owner has lost its lock,
   * and so perhaps what it wrote. Not atomic with the look at the lock; a store that is lost in between loses the epoch
   * as well.
   */
  confirm(owner: string, nowMs: number, runId: string): Promise<StoreProof | undefined>
  /** Empty when the store holds none. */
  positions(): Promise<AppliedPosition[]>
  /**
   * Only for positions behind the writes that they speak for: replication keeps that order. Throws `LR_REGISTRY_LOST` when
   * another server than that of the run answers now: of what was written to it they say nothing.
   */
  writePositions(positions: readonly AppliedPosition[], runId: string): Promise<void>
  /** Forgets all positions: the store is built from the beginning of the log. */
  clearPositions(): Promise<void>
  /**
   * Writes the heartbeat, and returns how many there were, this one included. Fewer than before: the store has gone back
   * in time.
   */
  heartbeat(nowMs: number): Promise<number>
}
