import { messageOf } from '../errors.ts'
import { type Area, checksOf, type DoctorCheck } from './doctor-checks.ts'
import type { Finding } from './finding.ts'
import { type Judgement, problem, unknown } from './judgement.ts'

/** A judgement with where it was made. */
export interface Observation extends Judgement {
  readonly area: Area
  readonly check: DoctorCheck
  /** What was looked at where a check looks at several things: a topic, a broker, a key. */
  readonly about?: string
}

const statusOf = { error: 'problem', warning: 'warning', hint: 'hint' } as const

/** What is observed in one area. */
export class Observations {
  readonly #area: Area
  readonly #all: Observation[] = []

  constructor(area: Area) {
    this.#area = area
  }

  /** In the order of the checks, and of one check in the order in which it was noted. */
  get all(): readonly Observation[] {
    const order = checksOf(this.#area)
    return this.#all.toSorted((a, b) => order.indexOf(a.check) - order.indexOf(b.check))
  }

  note(check: DoctorCheck, judgement: Judgement, about?: string): void {
    this.#all.push({ area: this.#area, check, ...(about !== undefined && { about }), ...judgement })
  }

  /** What a check of the service found, in its own words. */
  noteFinding({ check, about, severity, message, mend }: Finding): void {
    this.note(check, { status: statusOf[severity], found: message, mend }, about)
  }

  /**
   * Makes some looks that ask others, and notes that they failed where that throws: one that cannot be made must not
   * hide those that can.
   */
  async look(checks: readonly DoctorCheck[], make: () => Promise<void>): Promise<void> {
    try {
      await make()
    } catch (error) {
      const mend = 'see to the other problems first, then run the doctor again'
      const failed = problem(`it could not be looked up: ${messageOf(error)}`, mend)
      for (const check of checks) if (!this.#has(check)) this.note(check, failed)
    }
  }

  /** Of these checks, and without any of all checks of the area, those that nothing was noted of could not be made. */
  noteUnknown(why: string, checks: readonly DoctorCheck[] = checksOf(this.#area)): void {
    for (const check of checks) if (!this.#has(check)) this.note(check, unknown(why))
  }

  #has(check: DoctorCheck): boolean {
    return this.#all.some((observation) => observation.check === check)
  }
}
