/**
 * The marker that tells a store which holds the registry from one that lost it, and the lock under which one replica
 * builds the registry anew. Every method throws when the store cannot be reached.
 */
export interface EpochStore {
  /**
   * The epoch of a store that holds what the log says; `undefined` when the marker is gone, or was set by another run
   * of the server: it may have started again from an old file, or be a replica that had fallen behind.
   */
  read(): Promise<string | undefined>
  /** Takes the lock for `ms`; false when another owner has it. Atomic. */
  lock(owner: string, ms: number): Promise<boolean>
  /** Prolongs the lock; false when it is not the owner's any more. */
  renew(owner: string, ms: number): Promise<boolean>
  /**
   * Sets a new epoch, which is returned; `undefined` when the owner has lost its lock, and so perhaps what it wrote.
   * Atomic.
   */
  confirm(owner: string): Promise<string | undefined>
  unlock(owner: string): Promise<void>
}
