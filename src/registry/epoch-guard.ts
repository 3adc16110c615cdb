/**
 * The epoch of the registry that this replica works on. While there is none, or the store shows another one, what the
 * registry answers is not what is owed: the store was emptied, or is being built anew.
 */
export class EpochGuard {
  #epoch: string | undefined

  get isIntact(): boolean {
    return this.#epoch !== undefined
  }

  adopt(epoch: string): void {
    this.#epoch = epoch
  }

  lose(): void {
    this.#epoch = undefined
  }

  accepts(epoch: unknown): boolean {
    return this.#epoch !== undefined && this.#epoch === epoch
  }
}
