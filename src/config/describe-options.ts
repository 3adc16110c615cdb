import type { z } from 'zod'
import { optionsSchema } from './options.ts'
import { secretOptions } from './secret-files.ts'

export interface OptionDescription {
  readonly name: string
  readonly description: string
  readonly required: boolean
  /** As it would stand in the environment. */
  readonly defaultValue?: string
}

/** Every option as a person reads about it: for `--help` and for the table in docs/configure.md. */
export function describeOptions(): OptionDescription[] {
  return Object.entries(optionsSchema.shape).map(([name, schema]) => {
    const defaultValue = defaultOf(schema)
    return {
      name,
      description: `${schema.description ?? ''}${fromFile(name)}`,
      required: !schema.safeParse(undefined).success,
      ...(defaultValue !== undefined && { defaultValue }),
    }
  })
}

function defaultOf(schema: z.ZodType): string | undefined {
  const { def } = schema as unknown as { def: { type: string; defaultValue?: unknown } }
  return def.type === 'prefault' ? String(def.defaultValue) : undefined
}

function fromFile(name: string): string {
  return (secretOptions as readonly string[]).includes(name) ? ` Or in a file: \`${name}_FILE\`.` : ''
}
