import type { OpenTransaction, PassedPosition } from '../diagnosis/facts.ts'

/** Who is told of what happens at the ends of the log. */
export interface LogEdges {
  positionPassed(passed: PassedPosition): void
  /** All that are open for long enough now. */
  openTransactions(open: readonly OpenTransaction[]): void
}
