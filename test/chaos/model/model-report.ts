import { inWords } from './history.ts'
import type { BatchResult, FailedHistory } from './run-batch.ts'

const SHOWN_PER_BATCH = 2

export function isWhole({ failed, violations }: BatchResult): boolean {
  return failed.length === 0 && violations.length === 0
}

/** What failed in a batch: of the relays as a whole, and the first histories in words. */
export function describeFailure(result: BatchResult): string {
  const { category, failed, histories, relays, seed, violations } = result
  return [
    `seed ${seed}: ${category}, ${relays} ${relays === 1 ? 'relay' : 'relays'}, ${failed.length} of ${histories.length} histories failed`,
    ...violations.slice(0, 10).map(({ symptom, sentence }) => `  ${symptom}: ${sentence}`),
    ...failed.slice(0, SHOWN_PER_BATCH).flatMap(describeHistory),
    `  again: npm run chaos -- --model --histories ${histories.length} --batch ${histories.length} --seed ${seed}`,
  ].join('\n')
}

function describeHistory({ history, violations }: FailedHistory): string[] {
  return [
    `  ${history.name} (${history.categories.join(', ') || 'plain'})`,
    ...inWords(history).map((line) => `      ${line}`),
    ...violations.map(({ symptom, sentence }) => `    ${symptom}: ${sentence}`),
  ]
}

/** Which symptoms under which fault, how often, and the first seeds that show them. */
export function summary(results: readonly BatchResult[]): string {
  const rows = new Map<string, { count: number; seeds: Set<number> }>()
  const count = (name: string, seed: number) => {
    const row = rows.get(name) ?? { count: 0, seeds: new Set<number>() }
    rows.set(name, row)
    row.count++
    row.seeds.add(seed)
  }
  for (const { category, failed, seed, violations } of results) {
    for (const { symptom } of violations) count(`${category}: ${symptom} (relays)`, seed)
    for (const { history, violations: found } of failed) {
      const kinds = history.categories.join('+') || 'plain'
      for (const symptom of new Set(found.map((it) => it.symptom)))
        count(`${category}: ${symptom} (${kinds})`, seed)
    }
  }
  const histories = results.reduce((sum, it) => sum + it.histories.length, 0)
  const registrations = results.reduce((sum, it) => sum + it.registrations, 0)
  const failed = results.reduce((sum, it) => sum + it.failed.length, 0)
  const whole = results.filter(isWhole).length
  const lines = [...rows]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(
      ([name, row]) =>
        `  ${String(row.count).padStart(5)}  ${name}: seeds ${[...row.seeds].slice(0, 5).join(', ')}`,
    )
  const sum = `${histories} histories with ${registrations} registrations in ${results.length} batches: ${failed} histories failed, ${whole} batches whole`
  return [...lines, sum].join('\n')
}
