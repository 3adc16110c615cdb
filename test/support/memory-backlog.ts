import type { Backlog, Holder, ParkedDelivery, ParkedName } from '../../src/delivery/backlog.ts'

/** The backlog as one list for each RP, looked through from its beginning each time. */
export class MemoryBacklog implements Backlog {
  readonly #parked = new Map<string, Map<string, ParkedDelivery>>()
  /** The end of the lease, by registration. */
  readonly #leases = new Map<string, number>()

  async park(deliveries: readonly ParkedDelivery[]): Promise<ReadonlySet<string>> {
    for (const delivery of deliveries) {
      this.#put(delivery)
      this.#leases.delete(registrationOf(delivery))
    }
    return new Set()
  }

  async dueRps(nowMs: number, from: number, limit: number): Promise<string[]> {
    const due = [...this.#parked].map(([rpKey, ofRp]) => ({ rpKey, dueMs: earliestDueMs(ofRp) }))
    const inOrder = byDueTime(due.filter(({ dueMs }) => dueMs <= nowMs))
    return inOrder.slice(from, from + limit).map(({ rpKey }) => rpKey)
  }

  /** It has no index. */
  async tidyIndex(): Promise<void> {}

  /** Nothing in it expires. */
  async keep(): Promise<void> {}

  async claim(rpKey: string, nowMs: number, leaseUntilMs: number, limit: number): Promise<ParkedDelivery[]> {
    const claimed: ParkedDelivery[] = []
    const due = byDueTime(this.#parked.get(rpKey)?.values() ?? []).filter(({ dueMs }) => dueMs <= nowMs)
    for (const it of due.slice(0, limit)) {
      const leasedUntilMs = this.#leases.get(registrationOf(it)) ?? 0
      if (leasedUntilMs > nowMs) {
        this.#put({ ...it, dueMs: leasedUntilMs })
        continue
      }
      const leased = { ...it, dueMs: leaseUntilMs }
      this.#put(leased)
      this.#leases.set(registrationOf(it), leaseUntilMs)
      claimed.push(leased)
    }
    return claimed
  }

  async claimExpired(
    rpKey: string,
    nowMs: number,
    leaseUntilMs: number,
    limit: number,
    { from, count }: { readonly from: number; readonly count: number },
  ): Promise<{ claimed: ParkedDelivery[]; next: number }> {
    const claimed: ParkedDelivery[] = []
    const inOrder = byDueTime(this.#parked.get(rpKey)?.values() ?? [])
    let at = from
    for (; at < Math.min(from + count, inOrder.length) && claimed.length < limit; at++) {
      const it = inOrder[at] as ParkedDelivery
      const isLeased = (this.#leases.get(registrationOf(it)) ?? 0) > nowMs
      if (isLeased || it.state.deadlineMs > nowMs) continue
      const leased = { ...it, dueMs: leaseUntilMs }
      this.#put(leased)
      this.#leases.set(registrationOf(it), leaseUntilMs)
      claimed.push(leased)
    }
    const isOver = at >= inOrder.length || (inOrder[at - 1]?.dueMs ?? 0) > nowMs
    return { claimed, next: isOver ? 0 : at - claimed.length }
  }

  async hold(deliveries: readonly ParkedDelivery[], nowMs: number, leaseUntilMs: number): Promise<Holder[]> {
    return deliveries.map((it) => {
      const leasedUntilMs = this.#leases.get(registrationOf(it)) ?? 0
      const isParked = this.#find(it) !== undefined
      const isFree = leasedUntilMs <= nowMs
      if (!isParked) this.#put({ ...it, dueMs: isFree ? leaseUntilMs : leasedUntilMs })
      if (isFree && !isParked) this.#leases.set(registrationOf(it), leaseUntilMs)
      return isFree && !isParked ? 'caller' : 'backlog'
    })
  }

  async makeDue(deliveries: readonly ParkedDelivery[], nowMs: number): Promise<ReadonlySet<string>> {
    for (const it of deliveries) {
      const parked = this.#find(it)
      const leasedUntilMs = this.#leases.get(registrationOf(it)) ?? 0
      if (parked === undefined) {
        this.#put(leasedUntilMs > nowMs ? { ...it, dueMs: leasedUntilMs } : it)
        if (leasedUntilMs <= nowMs && it.dueMs > nowMs) this.#leases.set(registrationOf(it), it.dueMs)
      } else if (leasedUntilMs <= nowMs && parked.dueMs > nowMs) {
        this.#put({ ...parked, dueMs: nowMs })
      }
    }
    return new Set()
  }

  async remove(names: readonly ParkedName[]): Promise<void> {
    for (const name of names) {
      this.#parked.get(name.rpKey)?.delete(nameOf(name))
      this.#leases.delete(registrationOf(name))
    }
  }

  async sizes(limit: number): Promise<{ rpKey: string; size: number; nextDueMs: number }[]> {
    const sizes = new Map<string, { rpKey: string; size: number; nextDueMs: number }>()
    for (const { rpKey, dueMs } of byDueTime(this.#all())) {
      const entry = sizes.get(rpKey)
      if (entry === undefined) sizes.set(rpKey, { rpKey, size: 1, nextDueMs: dueMs })
      else entry.size++
    }
    return [...sizes.values()].slice(0, limit)
  }

  async earliestDeadlines(rpKeys: readonly string[]): Promise<(number | undefined)[]> {
    return rpKeys.map((rpKey) => {
      const parked = [...(this.#parked.get(rpKey)?.values() ?? [])]
      return parked.length === 0 ? undefined : Math.min(...parked.map(({ state }) => state.deadlineMs))
    })
  }

  /** Everything in it, leased or not. */
  get parked(): readonly ParkedDelivery[] {
    return [...this.#all()]
  }

  *#all(): Iterable<ParkedDelivery> {
    for (const ofRp of this.#parked.values()) yield* ofRp.values()
  }

  #find(name: ParkedName): ParkedDelivery | undefined {
    return this.#parked.get(name.rpKey)?.get(nameOf(name))
  }

  #put(delivery: ParkedDelivery): void {
    const ofRp = this.#parked.get(delivery.rpKey) ?? new Map<string, ParkedDelivery>()
    this.#parked.set(delivery.rpKey, ofRp.set(nameOf(delivery), delivery))
  }
}

function earliestDueMs(parked: ReadonlyMap<string, ParkedDelivery>): number {
  let earliestMs = Number.POSITIVE_INFINITY
  for (const { dueMs } of parked.values()) earliestMs = Math.min(earliestMs, dueMs)
  return earliestMs
}

function byDueTime<T extends { readonly dueMs: number }>(parked: Iterable<T>): T[] {
  return [...parked].sort((a, b) => a.dueMs - b.dueMs)
}

function nameOf({ state: { cause, deadlineMs }, ...name }: ParkedName): string {
  const { everywhere, occurredAtMs, origin, traceparent, tracestate, untilMs } = cause
  const fields = [origin, occurredAtMs, untilMs, everywhere, traceparent, tracestate, deadlineMs]
  return JSON.stringify([registrationOf(name), ...fields])
}

function registrationOf({ rpKey, sessionId, oidcSessionId }: Omit<ParkedName, 'state'>): string {
  return JSON.stringify([rpKey, sessionId, oidcSessionId])
}
