/** Identifies a store that holds what the log says: the epoch that was set on it and the run of the server. */
export interface StoreProof {
  readonly id: string
  readonly runId: string
}

/** What is known of the server that answers. */
export interface StoreConnection {
  /** The run of the server on the current connection. */
  readonly runId: string
  /** How often the store was found to have lost writes of this process, also under the same run. */
  readonly rollbacks: number
}

/**
 * Holds the proof of the registry that this replica works on. Without a proof, or when the store shows another epoch or
 * another server answers, or it has lost writes, the registry's answers do not count: the store was emptied, has fallen behind
 * or is being rebuilt.
 */
export class EpochGuard {
  readonly #connection: StoreConnection
  #proof: StoreProof | undefined
  #epoch: string | undefined
  #rollbacks = 0

  constructor(connection: StoreConnection) {
    this.#connection = connection
  }

  get isIntact(): boolean {
    return this.#accepts(this.#connection.runId)
  }

  /** The id of the last proof, also when that is lost: what this replica has settled, it has settled with that store. */
  get epoch(): string | undefined {
    return this.#epoch
  }

  adopt(proof: StoreProof): void {
    this.#proof = proof
    this.#epoch = proof.id
    this.#rollbacks = this.#connection.rollbacks
  }

  lose(): void {
    this.#proof = undefined
  }

  /** `id`: the epoch that the store shows. `runId`: the run of the server that showed it. */
  accepts(id: unknown, runId: string): boolean {
    return this.#proof?.id === id && this.#accepts(runId)
  }

  #accepts(runId: string): boolean {
    return this.#proof?.runId === runId && this.#rollbacks === this.#connection.rollbacks
  }
}
