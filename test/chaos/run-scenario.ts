import type { KafkaCluster } from '../stack/kafka-cluster.ts'
import { ChaosRun } from './chaos-run.ts'
import { openChaosSite } from './chaos-site.ts'
import type { Form, Scenario } from './scenario.ts'
import { SeededRandom } from './seeded-random.ts'
import { type Findings, verifyInvariants } from './verify-invariants.ts'

export interface ScenarioResult {
  readonly scenario: string
  readonly fault: string
  readonly seconds: number
  readonly findings: Findings
  /** What the relays said, where an invariant was violated. */
  readonly evidence: readonly string[]
}

export interface ScenarioOptions {
  readonly cluster: KafkaCluster
  readonly form: Form
  readonly seed: number
  readonly say: (progress: string) => void
}

/** Runs a scenario and verifies the invariants, also when the scenario did not get to its end. */
export async function runScenario(
  scenario: Scenario,
  { cluster, form, seed, say }: ScenarioOptions,
): Promise<ScenarioResult> {
  const startedMs = performance.now()
  const { name, fault, scenery = {} } = scenario
  await using site = await openChaosSite(cluster, form, scenery)
  const random = new SeededRandom(seed, name)
  const run = new ChaosRun(site, { deliveries: scenario.deliveries[form], form, random, say })
  await run.register(scenery.registrations)
  say(`${run.deliveries} deliveries are owed`)
  try {
    await scenario.run(run)
  } catch (error) {
    run.problems.push(
      `the scenario did not get to its end: ${error instanceof Error ? error.message : error}`,
    )
  }
  say('the faults are over, verifying')
  const findings = await verifyInvariants(run)
  return {
    scenario: name,
    fault,
    findings,
    seconds: (performance.now() - startedMs) / 1_000,
    evidence: findings.violations.length === 0 ? [] : site.relays.evidence(),
  }
}
