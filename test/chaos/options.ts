import { parseArgs } from 'node:util'
import {
  batchCategories,
  type Category,
  categories,
  historyCategories,
  replicas,
} from './model/categories.ts'
import type { Form, Scenario } from './scenario.ts'

export interface ChaosOptions {
  readonly scenarios: readonly Scenario[]
  readonly form: Form
  readonly seed: number
  readonly jsonFile?: string
  /** Random histories held against a model, in the place of the scenarios. */
  readonly model?: ModelChoice
}

export interface ModelChoice {
  readonly histories: number
  readonly perBatch: number
  readonly parallel: number
  readonly without: readonly Category[]
}

export function usage(known: readonly Scenario[]): string {
  return `npm run chaos -- [options]
  --only name,...  scenarios, by their names or beginnings of them (all)
  --short          the short form, as in npm test
  --seed N         the random moments of an earlier run
  --json FILE      writes all findings there

npm run chaos -- --model [options]: random histories of logins and logouts, held against a small model of the promise
  --histories N    how many (2000)
  --batch N        how many at a time under one fault (40); a batch is had again by its seed and its size
  --parallel N     batches at one time (2)
  --seed N         of the first batch; each further one has the next
  --without a,b    categories that are left out:
${Object.entries({ ...historyCategories, ...batchCategories, replicas })
  .map(([name, what]) => `      ${name.padEnd(12)} ${what}\n`)
  .join('')}
scenarios:

${known.map(({ name, fault }) => `  ${name}\n      ${fault}\n`).join('')}`
}

/** Throws a plain message on a wrong option; `undefined` when help was asked for. */
export function readOptions(argv: readonly string[], known: readonly Scenario[]): ChaosOptions | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      short: { type: 'boolean', default: false },
      seed: { type: 'string' },
      json: { type: 'string' },
      model: { type: 'boolean', default: false },
      histories: { type: 'string', default: '2000' },
      batch: { type: 'string', default: '40' },
      parallel: { type: 'string', default: '2' },
      without: { type: 'string', default: '' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  return {
    scenarios: values.only === undefined ? known : chosen(values.only.split(','), known),
    form: values.short ? 'short' : 'long',
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : seedOf(values.seed),
    ...(values.model && {
      model: {
        histories: countOf('--histories', values.histories),
        perBatch: countOf('--batch', values.batch),
        parallel: countOf('--parallel', values.parallel),
        without: chosenCategories(values.without),
      },
    }),
    ...(values.json !== undefined && { jsonFile: values.json }),
  }
}

function chosen(wanted: readonly string[], known: readonly Scenario[]): Scenario[] {
  for (const beginning of wanted) {
    if (known.some(({ name }) => name.startsWith(beginning))) continue
    const names = known.map(({ name }) => name).join(', ')
    throw new Error(`--only: there is no ${beginning} among ${names}`)
  }
  return known.filter(({ name }) => wanted.some((beginning) => name.startsWith(beginning)))
}

function chosenCategories(text: string): Category[] {
  return text
    .split(',')
    .filter((name) => name !== '')
    .map((name) => {
      const found = categories.find((category) => category === name)
      if (found === undefined)
        throw new Error(`--without: there is no ${name} among ${categories.join(', ')}`)
      return found
    })
}

function countOf(option: string, text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new Error(`${option}: ${text} is not a whole number above 0`)
  return Number(text)
}

function seedOf(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new Error(`--seed: ${text} is not a whole number`)
  return Number(text)
}
