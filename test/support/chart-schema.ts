import { z } from 'zod'
import { describeOptions } from '../../src/config/describe-options.ts'
import { intakeDocument } from '../../src/config/intake-file.ts'
import { issuersDocument } from '../../src/config/issuers-schema.ts'
import { optionsSchema } from '../../src/config/options.ts'
import { secretOptions } from '../../src/config/secret-files.ts'
import type { ChartValue } from './chart-values.ts'

export interface JsonSchema {
  properties?: Record<string, JsonSchema>
  [keyword: string]: unknown
}

type OptionName = keyof typeof optionsSchema.shape

const isSecret = (name: string): boolean => (secretOptions as readonly string[]).includes(name)
const options = describeOptions()

/** The schema with all that follows from elsewhere made anew: the options, and the descriptions of the values. */
export function withOptions(schema: JsonSchema, values: readonly ChartValue[]): JsonSchema {
  const made = structuredClone(schema)
  place(made, ['config'], closed({ ...plainOptions(), ...secretFileOptions() }))
  place(made, ['secret', 'values'], closed(secrets((name) => ({ ...optionType(name), minLength: 1 }))))
  place(made, ['secret', 'keys'], closed(secrets(() => ({ type: 'string', minLength: 1 }))))
  place(made, ['issuers', 'list'], listSchema(issuersDocument.shape.issuers))
  place(made, ['intake', 'list'], listSchema(intakeDocument.shape.sources))
  for (const { path, description } of values) {
    const { description: _, ...rest } = schemaAt(made, path)
    place(made, path, { description, ...rest })
  }
  return made
}

/** Throws when the schema does not know the value. */
export function schemaAt(schema: JsonSchema, path: readonly string[]): JsonSchema {
  const found = path.reduce<JsonSchema | undefined>((parent, name) => parent?.properties?.[name], schema)
  if (found === undefined) throw new Error(`values.schema.json does not know ${path.join('.')}`)
  return found
}

function place(schema: JsonSchema, path: readonly string[], part: JsonSchema): void {
  const { properties = {} } = schemaAt(schema, path.slice(0, -1))
  properties[path.at(-1) as string] = part
}

function closed(properties: Record<string, JsonSchema>): JsonSchema {
  return { type: 'object', additionalProperties: false, properties }
}

/** Names and types; what a value must be beyond that the relay says, with the line. */
function listSchema(list: z.ZodType): JsonSchema {
  const {
    $schema: _,
    minItems: __,
    ...schema
  } = z.toJSONSchema(list, {
    io: 'input',
    target: 'draft-7',
    override: ({ jsonSchema }) => {
      // Versions of Helm read patterns by engines of two kinds.
      delete jsonSchema.pattern
      delete jsonSchema.default
    },
  })
  return schema as JsonSchema
}

function plainOptions(): Record<string, JsonSchema> {
  const plain = options.filter(({ name }) => !isSecret(name))
  return Object.fromEntries(
    plain.map(({ name, description }) => [name, { description, ...optionType(name as OptionName) }]),
  )
}

function secretFileOptions(): Record<string, JsonSchema> {
  return Object.fromEntries(
    secretOptions.map((name) => [
      `${name}_FILE`,
      { description: `File that holds \`${name}\`.`, type: 'string', minLength: 1 },
    ]),
  )
}

function secrets(typeOf: (name: OptionName) => JsonSchema): Record<string, JsonSchema> {
  return Object.fromEntries(
    options
      .filter(({ name }) => isSecret(name))
      .map(({ name, description }) => [name, { description, ...typeOf(name as OptionName) }]),
  )
}

/** What of YAML an option is written as, although every one is text in the environment. */
function optionType(name: OptionName): JsonSchema {
  const {
    enum: allowed,
    minimum,
    maximum,
    pattern,
    minLength,
  } = z.toJSONSchema(optionsSchema.shape[name], {
    io: 'input',
  })
  if (allowed?.includes('true')) return { type: 'boolean' }
  if (allowed !== undefined) return { type: 'string', enum: allowed }
  if (minimum !== undefined) return { type: 'integer', minimum, maximum }
  if (isList(name)) return { type: ['string', 'array'], items: { type: ['string', 'integer'] } }
  return { type: 'string', ...(pattern && { pattern }), ...(minLength && { minLength }) }
}

function isList(name: OptionName): boolean {
  const { defaultValue = 'host:9092' } = options.find((option) => option.name === name) ?? {}
  return Array.isArray(optionsSchema.shape[name].safeParse(defaultValue).data)
}
