/**
 * The marker that tells a Redis which holds the registry from one that lost it, and the lock under which one replica
 * builds the registry anew. Every method throws when the store cannot be reached.
 */
export interface EpochStore {
  /** True when the marker is there: this store holds what the log says. */
  isIntact(): Promise<boolean>
  /** Sets the marker. */
  confirm(): Promise<void>
  /** Takes or renews the lock for `ms`; false when another owner has it. Atomic. */
  lock(owner: string, ms: number): Promise<boolean>
  unlock(owner: string): Promise<void>
}
