import type { Backlog, ParkedDelivery, ParkedName } from '../../src/delivery/backlog.ts'

/** The backlog as one list, looked through from its beginning each time. */
export class MemoryBacklog implements Backlog {
  readonly #parked = new Map<string, ParkedDelivery>()
  /** The end of the lease, by registration. */
  readonly #leases = new Map<string, number>()

  async park(deliveries: readonly ParkedDelivery[]): Promise<void> {
    for (const delivery of deliveries) {
      this.#parked.set(nameOf(delivery), delivery)
      this.#leases.delete(registrationOf(delivery))
    }
  }

  async dueRps(nowMs: number, from: number, limit: number): Promise<string[]> {
    const due = this.#byDueTime(({ dueMs }) => dueMs <= nowMs)
    return [...new Set(due.map(({ rpKey }) => rpKey))].slice(from, from + limit)
  }

  async claim(rpKey: string, nowMs: number, leaseUntilMs: number, limit: number): Promise<ParkedDelivery[]> {
    const claimed: ParkedDelivery[] = []
    const due = this.#byDueTime((it) => it.rpKey === rpKey && it.dueMs <= nowMs)
    for (const it of due.slice(0, limit)) {
      const leasedUntilMs = this.#leases.get(registrationOf(it)) ?? 0
      if (leasedUntilMs > nowMs) {
        this.#parked.set(nameOf(it), { ...it, dueMs: leasedUntilMs })
        continue
      }
      const leased = { ...it, dueMs: leaseUntilMs }
      this.#parked.set(nameOf(it), leased)
      this.#leases.set(registrationOf(it), leaseUntilMs)
      claimed.push(leased)
    }
    return claimed
  }

  async remove(names: readonly ParkedName[]): Promise<void> {
    for (const name of names) {
      this.#parked.delete(nameOf(name))
      this.#leases.delete(registrationOf(name))
    }
  }

  async sizes(limit: number): Promise<{ rpKey: string; size: number; nextDueMs: number }[]> {
    const sizes = new Map<string, { rpKey: string; size: number; nextDueMs: number }>()
    for (const { rpKey, dueMs } of this.#byDueTime()) {
      const entry = sizes.get(rpKey)
      if (entry === undefined) sizes.set(rpKey, { rpKey, size: 1, nextDueMs: dueMs })
      else entry.size++
    }
    return [...sizes.values()].slice(0, limit)
  }

  async earliestDeadlines(rpKeys: readonly string[]): Promise<(number | undefined)[]> {
    return rpKeys.map((rpKey) => {
      const parked = [...this.#parked.values()].filter((it) => it.rpKey === rpKey)
      return parked.length === 0 ? undefined : Math.min(...parked.map(({ state }) => state.deadlineMs))
    })
  }

  #byDueTime(isWanted: (it: ParkedDelivery) => boolean = () => true): ParkedDelivery[] {
    return [...this.#parked.values()].filter(isWanted).sort((a, b) => a.dueMs - b.dueMs)
  }
}

function nameOf({ state: { cause, deadlineMs }, ...name }: ParkedName): string {
  return JSON.stringify([registrationOf(name), cause, deadlineMs])
}

function registrationOf({ rpKey, sessionId, oidcSessionId }: Omit<ParkedName, 'state'>): string {
  return JSON.stringify([rpKey, sessionId, oidcSessionId])
}
