/** Identifies a store that holds what the log says: the epoch that was set on it and the run of the server. */
export interface StoreProof {
  readonly id: string
  readonly runId: string
}

/** The run of the server that answers on the current connection. */
export interface StoreConnection {
  readonly runId: string
}

/**
 * Holds the proof of the registry that this replica works on. Without a proof, or when the store shows another epoch or
 * another server answers, the registry's answers do not count: the store was emptied, has fallen behind or is being rebuilt.
 */
export class EpochGuard {
  readonly #connection: StoreConnection
  #proof: StoreProof | undefined

  constructor(connection: StoreConnection) {
    this.#connection = connection
  }

  get isIntact(): boolean {
    return this.#proof !== undefined && this.#proof.runId === this.#connection.runId
  }

  adopt(proof: StoreProof): void {
    this.#proof = proof
  }

  lose(): void {
    this.#proof = undefined
  }

  /** `id`: the epoch that the store shows. `runId`: the run of the server that showed it. */
  accepts(id: unknown, runId: string): boolean {
    return this.#proof !== undefined && this.#proof.id === id && this.#proof.runId === runId
  }
}
