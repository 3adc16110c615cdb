/** Names a store that holds what the log says: the epoch that was set on it, and the run of the server. */
export interface StoreProof {
  readonly id: string
  readonly runId: string
}

/** Which run of the server answers on the connection at hand. */
export interface StoreConnection {
  readonly runId: string
}

/**
 * The proof of the registry that this replica works on. While there is none, or the store shows another one, or another
 * server answers, what the registry answers is not what is owed: the store was emptied, has fallen behind, or is being
 * built anew.
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
