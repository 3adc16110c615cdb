import type { CheckName } from './check-names.ts'
import type { Finding, Found } from './finding.ts'

/** A function from facts to what is to be said of them, what is well included. */
export interface Check<Facts> {
  readonly name: CheckName
  /** `always`: by a relay at its start and while it runs, and by `doctor`; else by `doctor` only. */
  readonly runs: 'always' | 'doctor'
  readonly find: (facts: Facts) => readonly Found[]
}

/** Facts that are looked up together, with the checks of them. */
export interface Look {
  readonly checks: readonly CheckName[]
  /** Throws where the facts cannot be looked up. */
  readonly make: () => Promise<readonly Finding[]>
}

export function lookAt<Facts>(checks: readonly Check<Facts>[], read: () => Promise<Facts> | Facts): Look {
  return {
    checks: checks.map(({ name }) => name),
    make: async () => {
      const facts = await read()
      return checks.flatMap(({ name, find }) => find(facts).map((it) => ({ check: name, ...it })))
    },
  }
}

/** Those that a relay makes itself. */
export function atRunTime<Facts>(checks: readonly Check<Facts>[]): readonly Check<Facts>[] {
  return checks.filter(({ runs }) => runs === 'always')
}
