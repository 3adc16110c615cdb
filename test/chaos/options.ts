import { parseArgs } from 'node:util'
import type { Form, Scenario } from './scenario.ts'

export interface ChaosOptions {
  readonly scenarios: readonly Scenario[]
  readonly form: Form
  readonly seed: number
  readonly jsonFile?: string
}

export function usage(known: readonly Scenario[]): string {
  return `npm run chaos -- [options]
  --only name,...  scenarios, by their names or beginnings of them (all)
  --short          the short form, as in npm test
  --seed N         the random moments of an earlier run
  --json FILE      writes all findings there

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
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  return {
    scenarios: values.only === undefined ? known : chosen(values.only.split(','), known),
    form: values.short ? 'short' : 'long',
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : seedOf(values.seed),
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

function seedOf(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new Error(`--seed: ${text} is not a whole number`)
  return Number(text)
}
