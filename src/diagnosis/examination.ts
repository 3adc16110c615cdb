import { messageOf } from '../lib/errors.ts'
import type { Look } from './check.ts'
import { type Area, areaOf, areas, type CheckName, checksOf } from './check-names.ts'
import { error, type Finding, type Found, type Severity, unknown } from './finding.ts'

/** What `doctor` shows: a finding with the area in which it was made. */
export interface ExaminedFinding extends Finding {
  readonly area: Area
}

/** One pass over an area for `doctor`, which shows what is well, too, and what could not be looked at. */
export class Examination {
  readonly #area: Area
  readonly #all: ExaminedFinding[] = []

  constructor(area: Area) {
    this.#area = area
  }

  /** In the order of the checks, and of one check in the order in which it was noted. */
  get all(): readonly ExaminedFinding[] {
    const order = areas.flatMap(checksOf)
    return this.#all.toSorted((a, b) => order.indexOf(a.check) - order.indexOf(b.check))
  }

  note(check: CheckName, found: Found, about: string | undefined = found.about): void {
    this.#all.push({ area: areaOf(check), check, ...found, about })
  }

  /** Where a look fails that is told of its checks, and does not hide the looks that can be made. */
  async make({ checks, make }: Look): Promise<void> {
    try {
      for (const { check, ...found } of await make()) this.note(check, found)
    } catch (reason) {
      const remedy = 'fix the other errors first, then run logout-relay doctor again'
      const failed = error(`this check failed: ${messageOf(reason)}`, remedy)
      for (const check of checks) if (!this.#has(check)) this.note(check, failed)
    }
  }

  /** Of these checks, and without any of all checks of the area, those that nothing was noted of could not be made. */
  noteUnknown(why: string, checks: readonly CheckName[] = checksOf(this.#area)): void {
    this.noteRest(unknown(why), checks)
  }

  /** The same of each of these checks that nothing was noted of. */
  noteRest(found: Found, checks: readonly CheckName[]): void {
    for (const check of checks) if (!this.#has(check)) this.note(check, found)
  }

  #has(check: CheckName): boolean {
    return this.#all.some((it) => it.check === check)
  }
}

/** Without its options an area cannot be examined. */
export function notConfigured(area: Area): readonly ExaminedFinding[] {
  const notes = new Examination(area)
  notes.noteUnknown('its options are invalid: see the findings of configuration')
  return notes.all
}

/** What a run of the doctor comes to, worst first in the order of what must be remedied first. */
export type Conclusion = 'misconfigured' | 'unreachable' | 'error' | 'well'

export function conclusionOf(findings: readonly ExaminedFinding[]): Conclusion {
  const errors = findings.filter(({ severity }) => severity === 'error')
  if (errors.some(({ area }) => area === 'configuration')) return 'misconfigured'
  if (errors.some(({ check }) => check === 'kafka-reachable' || check === 'redis-reachable')) {
    return 'unreachable'
  }
  return errors.length > 0 ? 'error' : 'well'
}

const counted = ['ok', 'hint', 'warning', 'error', 'unknown'] as const satisfies readonly Severity[]

/** Such as `12 ok, 1 warning, 2 errors`; what there is none of is left out. */
export function summaryOf(findings: readonly ExaminedFinding[]): string {
  return counted
    .map((severity) => ({ severity, count: findings.filter((it) => it.severity === severity).length }))
    .filter(({ count }) => count > 0)
    .map(({ severity, count }) => {
      const isCountable = severity !== 'ok' && severity !== 'unknown'
      return `${count} ${severity}${isCountable && count > 1 ? 's' : ''}`
    })
    .join(', ')
}
