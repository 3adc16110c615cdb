import type { Backlog, Holder, ParkedDelivery, ParkedName } from '../delivery/backlog.ts'

const RPS_PER_PAGE = 1_000

/**
 * The shared backlog as a replay sees it: it takes up parked deliveries of those RPs only at which it has some of its
 * own. The rest is the business of the relays.
 */
export class OwnBacklog implements Backlog {
  readonly #backlog: Backlog
  readonly #rpKeys = new Set<string>()

  constructor(backlog: Backlog) {
    this.#backlog = backlog
  }

  /** A delivery of the replay is parked at this RP, by whomever. */
  watch(rpKey: string): void {
    this.#rpKeys.add(rpKey)
  }

  async park(deliveries: readonly ParkedDelivery[]): Promise<ReadonlySet<string>> {
    const refused = await this.#backlog.park(deliveries)
    for (const { rpKey } of deliveries) if (!refused.has(rpKey)) this.watch(rpKey)
    return refused
  }

  async dueRps(nowMs: number, from: number, limit: number): Promise<string[]> {
    if (this.#rpKeys.size === 0) return []
    const own: string[] = []
    for (let at = 0; ; at += RPS_PER_PAGE) {
      const page = await this.#backlog.dueRps(nowMs, at, RPS_PER_PAGE)
      own.push(...page.filter((rpKey) => this.#rpKeys.has(rpKey)))
      if (page.length < RPS_PER_PAGE || own.length >= from + limit) return own.slice(from, from + limit)
    }
  }

  claim(rpKey: string, nowMs: number, leaseUntilMs: number, limit: number): Promise<ParkedDelivery[]> {
    return this.#backlog.claim(rpKey, nowMs, leaseUntilMs, limit)
  }

  hold(deliveries: readonly ParkedDelivery[], nowMs: number, leaseUntilMs: number): Promise<Holder[]> {
    return this.#backlog.hold(deliveries, nowMs, leaseUntilMs)
  }

  makeDue(deliveries: readonly ParkedDelivery[], nowMs: number): Promise<ReadonlySet<string>> {
    return this.#backlog.makeDue(deliveries, nowMs)
  }

  remove(names: readonly ParkedName[]): Promise<void> {
    return this.#backlog.remove(names)
  }

  sizes(limit: number): Promise<{ rpKey: string; size: number; nextDueMs: number }[]> {
    return this.#backlog.sizes(limit)
  }

  earliestDeadlines(rpKeys: readonly string[]): Promise<(number | undefined)[]> {
    return this.#backlog.earliestDeadlines(rpKeys)
  }
}
