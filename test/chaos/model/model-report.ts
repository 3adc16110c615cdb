import { inWords } from './history.ts'
import type { BatchResult, FailedHistory } from './run-batch.ts'

const SHOWN_PER_BATCH = 3
const SEEDS_SHOWN = 6

export function isWhole({ failed, violations }: BatchResult): boolean {
  return failed.length === 0 && violations.length === 0
}

/** What failed in a batch: of the relays as a whole, and the first histories in words. */
export function describeFailure(result: BatchResult): string {
  const { category, failed, histories, relays, seed, violations } = result
  return [
    `seed ${seed}: ${category}, ${relays} ${relays === 1 ? 'relay' : 'relays'}, ${failed.length} of ${histories.length} histories failed (${result.seconds.toFixed(1)} s)`,
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

/** Which symptoms under which fault, how often, and the first seeds that show them; then what the histories have in common. */
export function summary(results: readonly BatchResult[]): string {
  const underFault = new Rows()
  const withCategory = new Rows()
  const drawn = new Map<string, number>()
  for (const { category, failed, histories, seed, violations } of results) {
    for (const { symptom } of violations) underFault.count(`${category}: relays ${symptom}`, seed)
    for (const { categories } of histories) {
      for (const name of namesOf(categories)) drawn.set(name, (drawn.get(name) ?? 0) + 1)
    }
    for (const { history, violations: found } of failed) {
      for (const symptom of new Set(found.map((it) => it.symptom))) {
        underFault.count(`${category}: ${symptom}`, seed)
      }
      for (const name of namesOf(history.categories)) withCategory.count(name, seed)
      if (category === 'calm') withCategory.count(`${history.categories.join('+') || 'plain'}, calm`, seed)
    }
  }
  const histories = results.reduce((sum, it) => sum + it.histories.length, 0)
  const registrations = results.reduce((sum, it) => sum + it.registrations, 0)
  const failed = results.reduce((sum, it) => sum + it.failed.length, 0)
  const whole = results.filter(isWhole).length
  return [
    'histories that failed, by fault and symptom',
    ...underFault.lines(),
    'histories that failed, by what they have',
    ...withCategory.lines(),
    `histories that have it: ${[...drawn].map(([name, count]) => `${name} ${count}`).join(', ')}`,
    `${histories} histories with ${registrations} registrations in ${results.length} batches: ${failed} histories failed, ${whole} batches are as promised`,
  ].join('\n')
}

function namesOf(categories: readonly string[]): readonly string[] {
  return categories.length === 0 ? ['plain'] : categories
}

class Rows {
  readonly #rows = new Map<string, { count: number; readonly seeds: Set<number> }>()

  count(name: string, seed: number): void {
    const row = this.#rows.get(name) ?? { count: 0, seeds: new Set<number>() }
    this.#rows.set(name, row)
    row.count++
    row.seeds.add(seed)
  }

  lines(): string[] {
    return [...this.#rows]
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([name, { count, seeds }]) => {
        return `  ${String(count).padStart(5)}  ${name}: seeds ${[...seeds].slice(0, SEEDS_SHOWN).join(', ')}`
      })
  }
}
