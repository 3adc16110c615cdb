import type { TopicPartition } from '../events/wire-record.ts'
import type { StoreProof } from './epoch-guard.ts'

/** The epoch as read from a store. */
export interface StoredEpoch {
  readonly id: string
  /** The epoch was set on the server that answers now, not copied from another one. */
  readonly isOfThisRun: boolean
  /** The server does not reveal its run, so nobody can tell whether it is the same one. */
  readonly isUnknownRun: boolean
  /** The last heartbeat of a relay. The store holds everything that any relay wrote before it. Milliseconds since the epoch. */
  readonly heartbeatMs: number | undefined
  /** When the epoch was set. The store holds all replicas' work up to then, whatever server they used. Milliseconds. */
  readonly provedAtMs: number | undefined
}

/** The offset up to which a partition's records are applied to the store. */
export interface AppliedPosition extends TopicPartition {
  /** Every earlier record is settled: its outcomes are acknowledged and its registrations removed, or it is parked. */
  readonly offset: number
  /** Where the group first started. Earlier triggers are never sent. */
  readonly start: number
  /** The topic that the offsets belong to. Empty if the cluster has no topic ids. */
  readonly topicId: string
}

/**
 * The proof that a store holds the registry and has not fallen behind, the offsets applied to it, and the lock under which
 * one replica rebuilds or completes it. Every method throws when the store cannot be reached.
 */
export interface EpochStore {
  /** The run of the server that answers now. */
  readonly runId: string
  /** How often the store was found to have lost writes of this process. */
  readonly rollbacks: number
  /** `undefined` without an epoch: the store is empty, or is being built for the first time. */
  read(): Promise<StoredEpoch | undefined>
  /** Takes the lock for `ms`; false when another owner has it. Atomic. */
  lock(owner: string, ms: number): Promise<boolean>
  /** Extends the lock; false when the owner has lost it. */
  renew(owner: string, ms: number): Promise<boolean>
  unlock(owner: string): Promise<void>
  /**
   * Sets a new epoch for the server of that run. `undefined` when another server answers now, the store has lost writes of
   * this process, or the owner has lost its lock. Not atomic with the check of the lock; a store that is lost in between
   * loses the epoch as well.
   */
  confirm(owner: string, nowMs: number, runId: string): Promise<StoreProof | undefined>
  /** Empty when the store holds none. */
  positions(): Promise<AppliedPosition[]>
  /** Patterns of topics that the group follows. */
  followedPatterns(): Promise<string[]>
  /**
   * Only for positions written after the writes that they cover: replication keeps that order. Throws `LR_REGISTRY_LOST`, and
   * writes nothing, when another server answers than that of the run or the store has lost writes of this process: it may
   * lack those. `patterns`: the group follows them from now
   * on, that is, `positions` and earlier ones are those of all topics that match. Written at once with the positions.
   */
  writePositions(
    positions: readonly AppliedPosition[],
    runId: string,
    patterns?: readonly string[],
  ): Promise<void>
  /** Forgets all positions and patterns: the store is rebuilt from the beginning of the log. */
  clearPositions(): Promise<void>
  /** Writes the heartbeat. A store that has lost writes of this process gets none. */
  heartbeat(nowMs: number): Promise<void>
}
