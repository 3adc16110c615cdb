import { registrationKey } from '../delivery/delivery.ts'
import type { RegistrationKey } from '../registry/registry.ts'

export interface ReplayCounts {
  /** Triggers in the range, or failed outcomes. */
  readonly read: number
  /** Those that match the filters. */
  readonly matching: number
  /** Matching ones that cannot run again: another issuer's, without effect, or unreadable. */
  readonly skipped: number
  /** Deliveries that were still owed: the sum of the next fields. */
  readonly owed: number
  readonly sent: number
  readonly failed: number
  /** In the backlog, from which the relays deliver. */
  readonly parked: number
  /** Not parked, after an interruption or because the RP has no backlog. */
  readonly open: number
}

/** Counts how the deliveries of one run end. Keeps the keys of those without an outcome. */
export class ReplayTally {
  /** Whether each is parked, by key. */
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

  /** `matches`: it passed the filters. `isUsable`: it can run again. */
  countRead(matches: boolean, isUsable = true): void {
    this.#read++
    if (matches) this.#matching++
    if (matches && !isUsable) this.#skipped++
  }

  /** False if the registration is in the tally already, because two triggers ended its session. */
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

  /** Counts an outcome. False for a delivery that is not in the tally or was counted. */
  settle(key: RegistrationKey, outcome: 'sent' | 'failed'): boolean {
    if (!this.forget(key)) return false
    if (outcome === 'sent') this.#sent++
    else this.#failed++
    return true
  }

  /** Removes a delivery that turned out to be settled before. False for one that is not in the tally. */
  forget(key: RegistrationKey): boolean {
    const name = registrationKey(key)
    if (this.#owed.get(name) === true) this.#parked--
    return this.#owed.delete(name)
  }

  /** Returns the next parked deliveries, in rotation. */
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
