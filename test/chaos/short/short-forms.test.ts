import { afterAll, expect, test } from 'vitest'
import { Clusters } from '../clusters.ts'
import { runScenario } from '../run-scenario.ts'
import { scenarios } from '../scenarios.ts'

/** Always the same moments: what fails here must fail again. `npm run chaos` takes others each time. */
const SEED = 20_260_101

const clusters = new Clusters()
afterAll(() => clusters.discard())

test.each(scenarios)('$name: $fault', async (scenario) => {
  const cluster = await clusters.take(scenario.scenery?.brokers ?? 1)
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
