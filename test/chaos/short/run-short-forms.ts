import { afterAll, expect, test } from 'vitest'
import { Clusters } from '../clusters.ts'
import { runScenario } from '../run-scenario.ts'
import type { Scenario } from '../scenario.ts'

/** Always the same moments: what fails here must fail again. `npm run chaos` takes others each time. */
const SEED = 20_260_101

/** A test for each scenario, one after the other, on clusters that are shared as far as they survive. */
export function runShortForms(scenarios: readonly Scenario[]): void {
  const clusters = new Clusters()
  afterAll(() => clusters.discard())

  test.each(scenarios)('$name: $fault', async (scenario) => {
    const cluster = await clusters.take(scenario.scenery?.brokers ?? 1, scenario.scenery?.brokerProperties)
    const progress: string[] = []
    const { evidence, findings } = await runScenario(scenario, {
      cluster,
      form: 'short',
      seed: SEED,
      say: (step) => progress.push(step),
    })
    const isWhole = findings.violations.length === 0
    if (!isWhole) await clusters.discard()
    expect(isWhole, [...findings.violations, ...progress, ...evidence].join('\n')).toBe(true)
  })
}
