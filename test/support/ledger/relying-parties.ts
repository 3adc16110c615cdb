import { randomBytes } from 'node:crypto'
import { Book } from './book.ts'
import { LogoutRequestReader } from './logout-request.ts'
import { monotonicMs } from './monotonic-clock.ts'
import { Origin } from './origin.ts'
import type {
  Arrival,
  Behaviour,
  Expectation,
  ExpectedSession,
  LedgerCondition,
  LedgerOptions,
  LedgerSummary,
  RelyingParty,
} from './protocol.ts'

const CONDITION_CHECK_MS = 5

/** All origins and the one book they write in: what the ledger's process holds. */
export class RelyingParties {
  readonly #origins: Origin[] = []
  readonly #reader: LogoutRequestReader
  readonly #clientIds: string[]
  #book: Book

  constructor(options: LedgerOptions) {
    this.#reader = new LogoutRequestReader(options)
    this.#book = new Book(options.origins)
    this.#clientIds = Array.from({ length: options.origins }, () => `rp-${randomBytes(12).toString('hex')}`)
  }

  async listen(): Promise<void> {
    for (const [index, clientId] of this.#clientIds.entries()) {
      const origin = new Origin((contentType, body, accepting) => {
        const result = this.#reader.read(contentType, body, clientId)
        if ('invalid' in result) {
          this.#book.recordInvalid(index, result.invalid)
          return 'invalid'
        }
        this.#book.record(index, result.sid, result.jti, accepting)
        return 'valid'
      })
      await origin.listen()
      this.#origins.push(origin)
    }
  }

  list(): RelyingParty[] {
    return this.#clientIds.map((clientId, origin) => ({
      origin,
      clientId,
      backchannelLogoutUri: `http://127.0.0.1:${this.#origins[origin]?.port}/backchannel-logout`,
    }))
  }

  async behave(origins: readonly number[], behaviour: Behaviour): Promise<void> {
    await Promise.all(origins.map(async (index) => this.#origins[index]?.behave(behaviour)))
  }

  reset(): void {
    this.#book = new Book(this.#origins.length)
    this.#reader.verified = 0
  }

  async summary(): Promise<LedgerSummary> {
    const connections = await Promise.all(this.#origins.map(async (origin) => origin.openConnections()))
    const perOrigin = this.#book.counts()
    const total = (name: 'accepted' | 'attempts' | 'invalid') =>
      perOrigin.reduce((sum, counts) => sum + counts[name], 0)
    const { distinct, duplicates, repeatedJti, invalidReasons, lastArrivalMs } = this.#book
    return {
      distinct,
      duplicates,
      repeatedJti,
      accepted: total('accepted'),
      attempts: total('attempts'),
      invalid: total('invalid'),
      invalidReasons,
      verified: this.#reader.verified,
      openConnections: connections.reduce((sum, count) => sum + count, 0),
      perOrigin,
      atMs: monotonicMs(),
      lastArrivalMs,
    }
  }

  arrivals(): Arrival[] {
    return this.#book.arrivals(this.list())
  }

  compare(sessions: readonly ExpectedSession[]): Expectation {
    return this.#book.compare(sessions, this.list())
  }

  /** Resolves with the summary once the condition holds, or with `undefined` when the time is over. */
  async waitFor(condition: LedgerCondition, timeoutMs: number): Promise<LedgerSummary | undefined> {
    const deadlineMs = monotonicMs() + timeoutMs
    // Looked at by the clock, so that recording a token does not pay for those who wait.
    while (monotonicMs() < deadlineMs) {
      const summary = await this.summary()
      if (holds(condition, summary)) return summary
      await new Promise((resolve) => setTimeout(resolve, CONDITION_CHECK_MS))
    }
    return undefined
  }
}

function holds(condition: LedgerCondition, summary: LedgerSummary): boolean {
  return (
    summary.distinct >= (condition.distinctMin ?? 0) &&
    summary.attempts >= (condition.attemptsMin ?? 0) &&
    summary.openConnections <= (condition.openConnectionsMax ?? Number.POSITIVE_INFINITY)
  )
}
