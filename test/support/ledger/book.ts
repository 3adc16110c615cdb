import { monotonicMs } from './monotonic-clock.ts'
import type { Arrival, Expectation, ExpectedSession, OriginCounts, RelyingParty } from './protocol.ts'

interface Entry {
  attempts: number
  accepted: number
  firstArrivalMs: number
  acceptedJti: string
}

interface Page {
  readonly entries: Map<string, Entry>
  attempts: number
  accepted: number
  invalid: number
}

const MISSING_SAMPLE_MAX = 10

/** What arrived: a page per origin, an entry per session on it, so that recording builds no key and no list. */
export class Book {
  distinct = 0
  duplicates = 0
  repeatedJti = 0
  lastArrivalMs = 0
  readonly invalidReasons: Record<string, number> = {}
  readonly #pages: Page[]

  constructor(origins: number) {
    this.#pages = Array.from({ length: origins }, () => ({
      entries: new Map<string, Entry>(),
      attempts: 0,
      accepted: 0,
      invalid: 0,
    }))
  }

  /** Records a valid token. `accepted`: the origin answers 200 or 204, so the RP has ended the session. */
  record(origin: number, sessionId: string, jti: string, accepted: boolean): void {
    const page = this.#page(origin)
    this.lastArrivalMs = monotonicMs()
    page.attempts += 1
    let entry = page.entries.get(sessionId)
    if (entry === undefined) {
      entry = { attempts: 0, accepted: 0, firstArrivalMs: this.lastArrivalMs, acceptedJti: '' }
      page.entries.set(sessionId, entry)
    }
    entry.attempts += 1
    if (!accepted) return
    page.accepted += 1
    entry.accepted += 1
    if (entry.accepted === 1) this.distinct += 1
    else this.duplicates += 1
    if (entry.acceptedJti === jti) this.repeatedJti += 1
    entry.acceptedJti = jti
  }

  recordInvalid(origin: number, reason: string): void {
    this.#page(origin).invalid += 1
    this.invalidReasons[reason] = (this.invalidReasons[reason] ?? 0) + 1
  }

  counts(): OriginCounts[] {
    return this.#pages.map(({ attempts, accepted, invalid }) => ({ attempts, accepted, invalid }))
  }

  arrivals(relyingParties: readonly RelyingParty[]): Arrival[] {
    return relyingParties.flatMap(({ origin, clientId }) =>
      Array.from(this.#page(origin).entries, ([sessionId, { attempts, accepted, firstArrivalMs }]) => ({
        sessionId,
        clientId,
        attempts,
        accepted,
        firstArrivalMs,
      })),
    )
  }

  compare(sessions: readonly ExpectedSession[], relyingParties: readonly RelyingParty[]): Expectation {
    const originOf = new Map(relyingParties.map(({ clientId, origin }) => [clientId, origin]))
    const missingSample: string[] = []
    let expected = 0
    let missing = 0
    let duplicates = 0
    for (const { sessionId, clientIds } of sessions) {
      for (const clientId of clientIds) {
        expected += 1
        const accepted = this.#pages[originOf.get(clientId) ?? -1]?.entries.get(sessionId)?.accepted ?? 0
        if (accepted > 1) duplicates += accepted - 1
        if (accepted > 0) continue
        missing += 1
        if (missingSample.length < MISSING_SAMPLE_MAX) missingSample.push(`${sessionId} ${clientId}`)
      }
    }
    return { expected, missing, duplicates, unexpected: this.distinct - (expected - missing), missingSample }
  }

  #page(origin: number): Page {
    const page = this.#pages[origin]
    if (page === undefined) throw new Error(`no origin ${origin}: there are ${this.#pages.length}`)
    return page
  }
}
