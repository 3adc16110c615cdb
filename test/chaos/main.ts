import { writeFile } from 'node:fs/promises'
import { Clusters } from './clusters.ts'
import { isWhole } from './model/model-report.ts'
import { runModel } from './model/run-model.ts'
import { type ChaosOptions, type ModelChoice, readOptions, usage } from './options.ts'
import { report } from './report.ts'
import { runScenario, type ScenarioResult } from './run-scenario.ts'
import { scenarios } from './scenarios.ts'

try {
  const options = readOptions(process.argv.slice(2), scenarios)
  if (options === undefined) process.stdout.write(usage(scenarios))
  else if (options.model !== undefined) await model(options, options.model)
  else await chaos(options)
} catch (error) {
  process.stderr.write(`chaos: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`)
  process.exitCode = 1
}

async function chaos({ scenarios, form, seed, jsonFile }: ChaosOptions): Promise<void> {
  process.stderr.write(`${scenarios.length} scenarios, ${form} form, seed ${seed}\n`)
  await using clusters = new Clusters()
  const results: ScenarioResult[] = []
  for (const scenario of scenarios) {
    process.stderr.write(`\n${scenario.name}: ${scenario.fault}\n`)
    const cluster = await clusters.take(scenario.scenery?.brokers ?? 1, scenario.scenery?.brokerProperties)
    const startedMs = performance.now()
    const say = (progress: string) => {
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1)
      process.stderr.write(`  ${seconds.padStart(6)} s  ${progress}\n`)
    }
    const result = await runScenario(scenario, { cluster, form, seed, say })
    results.push(result)
    const { violations } = result.findings
    say(violations.length === 0 ? 'every invariant holds' : `FAILED: ${violations.join('\n           ')}`)
    if (violations.length > 0) await clusters.discard()
  }
  process.stdout.write(`\n${report(results)}\n\nseed ${seed}\n`)
  if (jsonFile !== undefined)
    await writeFile(jsonFile, `${JSON.stringify({ form, seed, results }, null, 2)}\n`)
  if (results.some(({ findings }) => findings.violations.length > 0)) process.exitCode = 1
}

async function model({ jsonFile, seed }: ChaosOptions, choice: ModelChoice): Promise<void> {
  const say = (progress: string) => process.stderr.write(`${progress}\n`)
  const results = await runModel({ ...choice, seed, say })
  if (jsonFile !== undefined) await writeFile(jsonFile, `${JSON.stringify({ seed, results }, null, 2)}\n`)
  if (!results.every(isWhole)) process.exitCode = 1
}
