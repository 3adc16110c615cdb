import type { Clock } from '../lib/clock.ts'
import type { LogFacts, OpenTransaction, PassedPosition } from './facts.ts'

export interface EdgeNotesOptions {
  readonly clock: Clock
  /** There is something that a check would tell, or not any more. */
  readonly onNews: () => void
  readonly onPassed: (passed: PassedPosition) => void
}

/** What is over cannot be looked up again; so long it is told. */
const KEPT_MS = 24 * 60 * 60_000
const KEPT_MAX = 1_000
const DISBELIEVED_MAX = 10

/** Keeps what is heard of the ends of the log until it is looked at. */
export class EdgeNotes {
  readonly #options: EdgeNotesOptions
  #passed: { readonly atMs: number; readonly what: PassedPosition }[] = []
  #disbelieved: { readonly atMs: number; readonly what: string }[] = []
  #open: readonly OpenTransaction[] = []

  constructor(options: EdgeNotesOptions) {
    this.#options = options
  }

  positionPassed(passed: PassedPosition): void {
    const { clock, onNews, onPassed } = this.#options
    onPassed(passed)
    this.#passed = [...this.#passed, { atMs: clock.now(), what: passed }].slice(-KEPT_MAX)
    onNews()
  }

  /** `what`: for people. */
  outcomesDisbelieved(what: string): void {
    const { clock, onNews } = this.#options
    this.#disbelieved = [...this.#disbelieved, { atMs: clock.now(), what }].slice(-DISBELIEVED_MAX)
    onNews()
  }

  openTransactions(open: readonly OpenTransaction[]): void {
    const hasChanged = open.length !== this.#open.length
    this.#open = open
    if (hasChanged) this.#options.onNews()
  }

  read(): LogFacts {
    const sinceMs = this.#options.clock.now() - KEPT_MS
    this.#passed = this.#passed.filter(({ atMs }) => atMs > sinceMs)
    this.#disbelieved = this.#disbelieved.filter(({ atMs }) => atMs > sinceMs)
    const disbelieved = this.#disbelieved.map(({ what }) => what)
    return { disbelieved, passed: this.#passed.map(({ what }) => what), open: this.#open }
  }
}
