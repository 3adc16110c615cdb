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
  /** In the backlog, under this process or another one. */
  readonly parked: number
  /** Under way here, or given up before it was attempted. */
  readonly open: number
}

type State = 'open' | 'parked' | 'decided'

/** What became of the deliveries of one replay. It holds a name for each that has no outcome yet. */
export class ReplayBook {
  readonly #states = new Map<string, State>()
  #read = 0
  #matching = 0
  #skipped = 0
  #owed = 0
  #sent = 0
  #failed = 0
  #parked = 0

  get counts(): ReplayCounts {
    const [sent, failed, parked] = [this.#sent, this.#failed, this.#parked]
    return {
      read: this.#read,
      matching: this.#matching,
      skipped: this.#skipped,
      owed: this.#owed,
      sent,
      failed,
      parked,
      open: this.#owed - sent - failed - parked,
    }
  }

  /** `matches`: the filters let it through. `isUsable`: it can be run again. */
  took(matches: boolean, isUsable = true): void {
    this.#read++
    if (matches) this.#matching++
    if (matches && !isUsable) this.#skipped++
  }

  /** False when a delivery for the registration is in the book already: two triggers ended its session. */
  begin(key: RegistrationKey): boolean {
    const name = registrationKey(key)
    if (this.#states.has(name)) return false
    this.#states.set(name, 'open')
    this.#owed++
    return true
  }

  /** The delivery has its outcome, here or elsewhere. False for one that is not in the book, or had its outcome. */
  decide(key: RegistrationKey, outcome: 'sent' | 'failed'): boolean {
    const name = registrationKey(key)
    const state = this.#states.get(name)
    if (state === undefined || state === 'decided') return false
    if (state === 'parked') {
      this.#parked--
      this.#states.delete(name)
    } else this.#states.set(name, 'decided')
    if (outcome === 'sent') this.#sent++
    else this.#failed++
    return true
  }

  /** It is off the delivery core's hands: true when it has an outcome, which is final then; else it is parked. */
  close(key: RegistrationKey): boolean {
    const name = registrationKey(key)
    if (this.#states.get(name) === 'decided') {
      this.#states.delete(name)
      return true
    }
    this.park(key)
    return false
  }

  isParked(key: RegistrationKey): boolean {
    return this.#states.get(registrationKey(key)) === 'parked'
  }

  /** What was parked is attempted here once more. */
  reopen(key: RegistrationKey): void {
    if (!this.isParked(key)) return
    this.#states.set(registrationKey(key), 'open')
    this.#parked--
  }

  /** It turned out that it was settled before, and so was not owed; it may have its outcome in the book by now. */
  forget(key: RegistrationKey): void {
    const name = registrationKey(key)
    const state = this.#states.get(name)
    if (state === undefined) return
    this.#states.delete(name)
    if (state === 'decided') return
    if (state === 'parked') this.#parked--
    this.#owed--
  }

  park(key: RegistrationKey): void {
    const name = registrationKey(key)
    if (this.#states.get(name) !== 'open') return
    this.#states.set(name, 'parked')
    this.#parked++
  }
}
