import { parseArgs } from 'node:util'
import { describeFailure, fuzz } from './fuzz-target.ts'
import { fuzzTargets } from './targets.ts'

// `npm run fuzz -- [--seconds 20 | --runs N] [--seed N] [--path P] [TARGET…]`: each target for so long, or so often; each input is made of
// valid ones.
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '20' },
    runs: { type: 'string' },
    seed: { type: 'string' },
    path: { type: 'string' },
  },
})
const unknown = positionals.filter((name) => !fuzzTargets.some((target) => target.name === name))
const runs = values.runs === undefined ? undefined : Number(values.runs)
if (unknown.length > 0 || !(Number(values.seconds) > 0) || !((runs ?? 1) > 0)) {
  const names = fuzzTargets.map(({ name }) => name).join(' ')
  process.stderr.write(`--seconds and --runs want a number, and the targets are: ${names}\n`)
  process.exit(2)
}
const seed = values.seed === undefined ? Date.now() | 0 : Number(values.seed)
process.stdout.write(`seed ${seed}\n`)

let failures = 0
for (const target of fuzzTargets) {
  if (positionals.length > 0 && !positionals.includes(target.name)) continue
  const details = await fuzz(target, {
    numRuns: runs ?? Number.MAX_SAFE_INTEGER,
    seed,
    ...(runs === undefined && { timeMs: 1_000 * Number(values.seconds) }),
    ...(values.path !== undefined && { path: values.path, numRuns: 1 }),
  })
  process.stdout.write(`${details.failed ? 'FAIL' : 'ok  '} ${target.name}, ${details.numRuns} inputs\n`)
  if (!details.failed) continue
  failures++
  process.stdout.write(`${describeFailure(target, details)}\n`)
}
process.exit(failures === 0 ? 0 : 1)
