import { writeFile } from 'node:fs/promises'
import { openBenchContext } from './bench-context.ts'
import { measureAll } from './measurements.ts'
import { type BenchOptions, readOptions, usage } from './options.ts'
import { requireProcessCost } from './process-cost.ts'
import { report } from './report.ts'
import { judge } from './targets.ts'

// A missed target does not fail the command: figures of a busy machine are for reading. A run that could not be
// measured does.
try {
  const options = readOptions(process.argv.slice(2))
  if (options === undefined) process.stdout.write(usage)
  else await bench(options)
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`)
  process.exitCode = 1
}

async function bench(options: BenchOptions): Promise<void> {
  requireProcessCost()
  await using context = await openBenchContext(options.origins)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      // The programs under test are killed by the exit of this process, the ledger by the end of its pipe.
      context[Symbol.asyncDispose]().then(
        () => process.exit(130),
        () => process.exit(130),
      )
    })
  }
  const measured = await measureAll(context, options)
  process.stdout.write(`${report(measured, options)}\n`)
  if (options.jsonFile !== undefined) {
    const content = { options, targets: judge(measured, options.algorithms), runs: measured }
    await writeFile(options.jsonFile, `${JSON.stringify(content, null, 2)}\n`)
  }
}
