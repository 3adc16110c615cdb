import fc from 'fast-check'
import { codeOf } from '../../src/lib/errors.ts'
import { mutated } from './mutations.ts'

/** One parser, and what it may be given by somebody else. */
export interface FuzzTarget {
  readonly name: string
  /** Valid inputs, from which others are made. */
  readonly samples: readonly Buffer[]
  /** Made in another way than by changes of the samples; as many as those. */
  readonly others?: fc.Arbitrary<Buffer>
  /** Resolves with all that the parser gave; throws what it threw, or what is wrong with what it gave. */
  readonly parse: (input: Buffer) => unknown
  /** Codes, or names where there is none, of faults that it may throw. */
  readonly faults?: readonly string[]
  /** Whether this is what a sample is read as; anything but a fault when missing. */
  readonly isRead?: (output: unknown) => boolean
  /** For what nobody writes at length. */
  readonly bytesMax?: number
  /** Of what it gives as JSON, per byte of input: ids stand in several places, and JSON writes one byte as six. */
  readonly growth?: number
}

/** Of CPU time, so that a busy machine does not count. Each input is small. */
const CPU_MS_MAX = 2_000
const OUTPUT_CHARACTERS_MIN = 16_384

/** Throws when the parser breaks its promise for this input. */
async function examine({ parse, faults = [], growth = 32 }: FuzzTarget, input: Buffer): Promise<void> {
  const started = process.cpuUsage()
  let output: unknown
  try {
    output = await parse(input)
  } catch (error) {
    if (!(error instanceof Error && faults.includes(codeOf(error) ?? error.name))) throw error
    output = error.message
  }
  const { user, system } = process.cpuUsage(started)
  const cpuMs = (user + system) / 1_000
  if (cpuMs > CPU_MS_MAX) throw new Error(`${input.length} bytes took ${Math.round(cpuMs)} ms of CPU time`)
  const characters = JSON.stringify(output)?.length ?? 0
  if (characters > OUTPUT_CHARACTERS_MIN + growth * input.length) {
    throw new Error(`${input.length} bytes became ${characters} characters`)
  }
}

/** Tries inputs until one breaks the promise or the bound is reached. */
export async function fuzz(
  target: FuzzTarget,
  bounds: {
    readonly numRuns: number
    readonly seed?: number
    readonly path?: string
    readonly timeMs?: number
  },
): Promise<fc.RunDetails<[Buffer]>> {
  const { timeMs, ...parameters } = bounds
  const { others, samples } = target
  const made = others === undefined ? mutated(samples) : fc.oneof(mutated(samples), others)
  const inputs = made.map((bytes) => bytes.subarray(0, target.bytesMax))
  const property = fc.asyncProperty(inputs, (input) => examine(target, input))
  return fc.check(property, {
    ...parameters,
    ...(timeMs !== undefined && { interruptAfterTimeLimit: timeMs, markInterruptAsFailure: false }),
  })
}

/** What to do to see it again. */
export function describeFailure(target: FuzzTarget, details: fc.RunDetails<[Buffer]>): string {
  const { counterexample, counterexamplePath, seed, errorInstance } = details
  const input = counterexample?.[0] ?? Buffer.alloc(0)
  return [
    `${target.name}: ${errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance)}`,
    `input, ${input.length} bytes as base64: ${input.toString('base64').slice(0, 4_000)}`,
    `again: npm run fuzz -- --seed ${seed} --path ${counterexamplePath} ${target.name}`,
  ].join('\n')
}
