import type { DeliveryEvents } from '../delivery/delivery-events.ts'
import type { Outcome, OutcomeSubject } from '../events/outcome.ts'
import type { Patience } from './patience.ts'
import type { ReplayBook } from './replay-book.ts'

/** What the delivery core tells while a command runs it: the book is kept, and patience has an end. */
export class ReplayEvents implements DeliveryEvents {
  readonly #book: ReplayBook
  readonly #patience: Patience
  readonly #onFailed: (subject: OutcomeSubject, outcome: Extract<Outcome, { kind: 'failed' }>) => void

  constructor(
    book: ReplayBook,
    patience: Patience,
    onFailed: (subject: OutcomeSubject, outcome: Extract<Outcome, { kind: 'failed' }>) => void,
  ) {
    this.#book = book
    this.#patience = patience
    this.#onFailed = onFailed
  }

  settled(outcome: Outcome, subject: OutcomeSubject): void {
    const isOurs = this.#book.decide(subject, outcome.kind)
    if (isOurs && outcome.kind === 'failed') this.#onFailed(subject, outcome)
  }

  concluded(outcome: Outcome, subject: OutcomeSubject): void {
    this.settled(outcome, subject)
  }

  fault(part: string, error: unknown, failures = 1): void {
    this.#patience.suffer(part === 'redis' ? 'Redis' : 'Kafka', error, failures)
  }

  // The book counts deliveries by their ends; attempts and breakers are told by what is parked.
  attempted(): void {}
  parked(): void {}
  breakerOpened(): void {}
  breakerClosed(): void {}
  published(): void {}
}
