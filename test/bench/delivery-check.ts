import type { BenchRun } from './bench-context.ts'
import { type BenchSession, deliveriesOf, expected } from './workload.ts'

/** What became of the deliveries of a run, by the ledger of the relying parties and by the outcomes on the topic. */
export interface DeliveryCheck {
  /** Owed deliveries that no RP accepted. */
  readonly lost: number
  /** Acceptances beyond the first. */
  readonly duplicates: number
  /** Tokens that an RP had to refuse, and acceptances that were not owed. */
  readonly wrong: number
  /** Outcomes that should be on the topic and are not; for a program that writes none, 0. */
  readonly outcomesMissing: number
  readonly outcomesRepeated: number
  readonly outcomesFailed: number
}

/** `unbooked`: sessions that were logged out before the ledger was reset; they have outcomes all the same. */
export async function checkDeliveries(
  { kafka, ledger, place }: BenchRun,
  sessions: readonly BenchSession[],
  unbooked: readonly BenchSession[],
  writesOutcomes = true,
): Promise<DeliveryCheck> {
  const { invalid, invalidReasons } = await ledger.summary()
  if (invalid > 0) process.stderr.write(`refused tokens: ${JSON.stringify(invalidReasons)}\n`)
  const { missing, duplicates, unexpected } = await ledger.expect(expected(sessions))
  const book = { lost: missing, duplicates, wrong: invalid + unexpected }
  if (!writesOutcomes) return { ...book, outcomesMissing: 0, outcomesRepeated: 0, outcomesFailed: 0 }
  const outcomes = await kafka.readOutcomes(place.topic)
  const distinct = new Set(outcomes.map(({ id }) => id)).size
  return {
    ...book,
    outcomesMissing: deliveriesOf(sessions) + deliveriesOf(unbooked) - distinct,
    outcomesRepeated: outcomes.length - distinct,
    outcomesFailed: outcomes.filter(({ type }) => type === 'backchannel-logout-failed').length,
  }
}
