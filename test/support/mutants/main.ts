import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { startStack } from '../../stack/stack.ts'
import { type Mutant, readMutants } from './mutants.ts'
import { SourceTree } from './source-tree.ts'
import { type Sight, Watch } from './watch.ts'

/*
 * Slips, put into a copy of the sources one at a time, to see whether the tests notice. What no test sees may be broken
 * by anybody at any time.
 */

const USAGE = `npm run mutants -- [options]
  --only text,...  those whose name or file holds one of the texts (all)
  --list           names them, looks whether each still finds its place, and runs nothing
  --workers N      how many at a time (2)
`
/** Of a hundred that many must be seen. */
const SEEN_SHARE_MIN = 0.95

const mutants = readMutants()

interface Result {
  readonly mutant: Mutant
  readonly sight: Sight
}

try {
  await main()
} catch (error) {
  process.stderr.write(`mutants: ${error instanceof Error ? (error.stack ?? error.message) : error}\n`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      list: { type: 'boolean', default: false },
      workers: { type: 'string', default: '2' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return
  }
  const chosen = values.only === undefined ? mutants : chosenBy(values.only.split(','))
  const root = resolve(import.meta.dirname, '../../..')
  await new SourceTree(root).expectAll(mutants)
  if (values.list) process.stdout.write(chosen.map(({ file, name }) => `${file}: ${name}\n`).join(''))
  else if (!/^[1-9]\d?$/.test(values.workers)) throw new Error(`--workers: ${values.workers} is no number`)
  else await run(chosen, root, Number(values.workers))
}

function chosenBy(texts: readonly string[]): Mutant[] {
  const chosen = mutants.filter(({ file, name }) => texts.some((text) => `${file}: ${name}`.includes(text)))
  if (chosen.length === 0) throw new Error(`--only: no mutant has ${texts.join(' or ')} in its name or file`)
  return chosen
}

async function run(chosen: readonly Mutant[], root: string, workers: number): Promise<void> {
  await using stack = await startStack()
  const watch = new Watch(stack)
  {
    await using tree = await SourceTree.copyOf(root)
    const files = [...new Set(chosen.flatMap(({ tests }) => tests))]
    process.stderr.write(`first the ${files.length} test files without any slip\n`)
    const sight = await watch.lookAtSound(files, tree)
    if (sight.kind !== 'unseen') throw new Error(`they fail by themselves: ${whereOf(sight)}`)
  }
  const waiting = [...chosen]
  const results: Result[] = []
  const work = async (): Promise<void> => {
    await using tree = await SourceTree.copyOf(root)
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const restore = await tree.put(mutant)
      const sight = await watch.look(mutant, tree)
      await restore()
      results.push({ mutant, sight })
      const count = `${results.length}/${chosen.length}`.padStart(7)
      process.stderr.write(`${count}  ${sight.kind.padEnd(6)}  ${mutant.file}: ${mutant.name}\n`)
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  process.stdout.write(`\n${report(results)}\n`)
  const unseen = results.filter(({ sight }) => sight.kind === 'unseen')
  const isUnexplained = unseen.some(({ mutant }) => mutant.unseenBecause === undefined)
  if (isUnexplained || unseen.length > (1 - SEEN_SHARE_MIN) * results.length) process.exitCode = 1
}

/** A line per mutant: whether it was seen, by which test, or why not. */
function report(results: readonly Result[]): string {
  const inOrder = results.toSorted((a, b) => mutants.indexOf(a.mutant) - mutants.indexOf(b.mutant))
  const lines = inOrder.map(({ mutant, sight }) => {
    const where = sight.kind === 'seen' ? whereOf(sight) : (mutant.unseenBecause ?? 'NOT EXPLAINED')
    return `${sight.kind.padEnd(6)}  ${mutant.file}: ${mutant.name}\n          ${where}`
  })
  const seen = results.filter(({ sight }) => sight.kind === 'seen').length
  return [...lines, '', `${seen} seen, ${results.length - seen} not seen`].join('\n')
}

function whereOf(sight: Sight): string {
  return sight.kind === 'seen' ? sight.by : 'by nothing'
}
