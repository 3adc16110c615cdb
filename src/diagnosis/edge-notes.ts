import type { OpenTransaction, PassedPosition } from '../intake/log-edges.ts'
import type { Clock } from '../lib/clock.ts'
import type { LogFacts, RefusedRecords } from './facts.ts'

export interface EdgeNotesOptions {
  readonly clock: Clock
  /** There is something that a check would tell, or not any more. */
  readonly onNews: () => void
  readonly onPassed: (passed: PassedPosition) => void
}

/** What is over cannot be looked up again; so long it is told. */
const KEPT_MS = 24 * 60 * 60_000
const KEPT_MAX = 1_000
const REASONS_MAX = 50
const DISBELIEVED_MAX = 10

/** Keeps what is heard of the ends of the log until it is looked at. */
export class EdgeNotes {
  readonly #options: EdgeNotesOptions
  #passed: { readonly atMs: number; readonly what: PassedPosition }[] = []
  #disbelieved: { readonly atMs: number; readonly what: string }[] = []
  #open: readonly OpenTransaction[] = []
  readonly #refused = new Map<string, { atMs: number; readonly what: RefusedRecords }>()

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

  /** A record became a dead letter although it could be read. `reason` must not hold the name of a session or user. */
  recordRefused(
    { topic, partition, offset }: Omit<RefusedRecords, 'reason' | 'count'>,
    reason: string,
  ): void {
    const before = this.#refused.get(reason)
    if (before === undefined && this.#refused.size >= REASONS_MAX) return
    const count = (before?.what.count ?? 0) + 1
    const what = { reason, count, topic, partition, offset }
    this.#refused.set(reason, { atMs: this.#options.clock.now(), what })
    if (before === undefined) this.#options.onNews()
  }

  read(): Omit<LogFacts, 'unknownTypes'> {
    const sinceMs = this.#options.clock.now() - KEPT_MS
    this.#passed = this.#passed.filter(({ atMs }) => atMs > sinceMs)
    this.#disbelieved = this.#disbelieved.filter(({ atMs }) => atMs > sinceMs)
    for (const [reason, { atMs }] of this.#refused) if (atMs <= sinceMs) this.#refused.delete(reason)
    const disbelieved = this.#disbelieved.map(({ what }) => what)
    const refused = [...this.#refused.values()].map(({ what }) => what)
    return { disbelieved, passed: this.#passed.map(({ what }) => what), open: this.#open, refused }
  }
}
