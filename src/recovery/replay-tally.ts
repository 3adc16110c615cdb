import { registrationKey } from '../delivery/delivery.ts'
import type { RegistrationKey } from '../registry/registry.ts'

export interface ReplayCounts {
  /** Triggers in the range, or failed outcomes. */
  readonly read: number
  /** Those of them that the filters let through. */
  readonly matching: number
  /** Of those, the ones that cannot be run again: another issuer's, without effect, or unreadable. */
  readonly skipped: number
  /** Deliveries that were still owed; each ends in one of the next. */
  readonly owed: number
  readonly sent: number
  readonly failed: number
  /** In the backlog, from where the relays deliver it. */
  readonly parked: number
  /** Not parked: given up by an interruption before, or its RP has no backlog. */
  readonly open: number
}

/** What became of the deliveries of one run. It holds a name for each that has no outcome yet. */
export class ReplayTally {
  /** Whether it is parked. */
  readonly #owed = new Map<string, boolean>()
  #read = 0
  #matching = 0
  #skipped = 0
  #sent = 0
  #failed = 0
  #parked = 0

  get counts(): ReplayCounts {
    const [sent, failed, parked] = [this.#sent, this.#failed, this.#parked]
    return {
      read: this.#read,
      matching: this.#matching,
      skipped: this.#skipped,
      owed: this.#owed.size + sent + failed,
      sent,
      failed,
      parked,
      open: this.#owed.size - parked,
    }
  }

  /** `matches`: the filters let it through. `isUsable`: it can be run again. */
  countRead(matches: boolean, isUsable = true): void {
    this.#read++
    if (matches) this.#matching++
    if (matches && !isUsable) this.#skipped++
  }

  /** False when a delivery for the registration is in the tally already: two triggers ended its session. */
  add(key: RegistrationKey): boolean {
    const name = registrationKey(key)
    if (this.#owed.has(name)) return false
    this.#owed.set(name, false)
    return true
  }

  park(key: RegistrationKey): void {
    const name = registrationKey(key)
    if (this.#owed.get(name) !== false) return
    this.#owed.set(name, true)
    this.#parked++
  }

  /** The delivery has its outcome. False for one that is not in the tally, or had its outcome. */
  settle(key: RegistrationKey, outcome: 'sent' | 'failed'): boolean {
    if (!this.forget(key)) return false
    if (outcome === 'sent') this.#sent++
    else this.#failed++
    return true
  }

  /** It turned out that it was settled before, and so was not owed. False for one that is not in the tally. */
  forget(key: RegistrationKey): boolean {
    const name = registrationKey(key)
    if (this.#owed.get(name) === true) this.#parked--
    return this.#owed.delete(name)
  }

  /** Some of those that are parked, and others with the next call. */
  nextParked(limit: number): RegistrationKey[] {
    const names: string[] = []
    for (const [name, isParked] of this.#owed) {
      if (names.length === limit) break
      if (isParked) names.push(name)
    }
    return names.map((name) => {
      this.#owed.delete(name)
      this.#owed.set(name, true)
      const [issuer = '', sessionId = '', oidcSessionId = ''] = name.split('\n')
      return { issuer, sessionId, oidcSessionId }
    })
  }
}
