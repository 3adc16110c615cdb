/** A condition that callers wait on until somebody opens it; starts open or closed. */
export class Gate {
  #waiters: (() => void)[] = []
  #open: boolean

  constructor(open: boolean) {
    this.#open = open
  }

  get isOpen(): boolean {
    return this.#open
  }

  open(): void {
    if (this.#open) return
    this.#open = true
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve()
  }

  close(): void {
    this.#open = false
  }

  /** Resolves when the gate is open. The caller checks again: another waiter may have closed it meanwhile. */
  wait(): Promise<void> {
    if (this.#open) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.push(resolve))
  }
}
