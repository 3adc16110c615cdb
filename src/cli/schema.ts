import { Argument, type Command } from 'commander'
import { nearestType } from '../diagnosis/nearest-type.ts'
import { jsonSchemaOf, recordSchemas, type SchemaName, schemaNames } from '../events/record-schemas.ts'
import { RelayFault } from '../lib/errors.ts'
import { type Column, Output } from './output.ts'
import { reads } from './reads.ts'

type SchemaRow = { readonly type: SchemaName; readonly direction: string; readonly summary: string }

const columns: readonly Column<SchemaRow>[] = [
  { title: 'TYPE', cell: ({ type }) => type },
  { title: 'DIRECTION', cell: ({ direction }) => direction },
  { title: 'MEANING', cell: ({ summary }) => summary, isProse: true },
]

export function addSchema(program: Command): void {
  const type = new Argument('[type]', 'the type of the record (default: list the types)')
  reads(program.command('schema'))
    .description('print the JSON Schema of a record type')
    // The parser comes last, because it names the one that was probably meant.
    .addArgument(type.choices(schemaNames).argParser(knownName))
    .option('--json', 'one line of JSON')
    .addHelpText(
      'after',
      `
Of records that are read (in) it is the schema of their data, of outcomes (out)
that of their value, of dead letters that of their headers.

Examples:
  $ logout-relay schema
  $ logout-relay schema session-terminated > session-terminated.json`,
    )
    .action((name: SchemaName | undefined, { json = false }: { json?: boolean }) =>
      name === undefined ? list(json) : print(name, json),
    )
}

function list(isJson: boolean): void {
  const rows = schemaNames.map((type): SchemaRow => {
    const { direction, summary } = recordSchemas[type]
    return { type, direction, summary }
  })
  new Output(isJson).rows(columns, rows, '')
}

function print(name: SchemaName, isJson: boolean): void {
  process.stdout.write(`${JSON.stringify(jsonSchemaOf(name), undefined, isJson ? undefined : 2)}\n`)
}

function knownName(text: string): SchemaName {
  const name = schemaNames.find((it) => it === text)
  if (name !== undefined) return name
  const nearest = nearestType(text, schemaNames)
  const hint = nearest === undefined ? `must be one of ${schemaNames.join(', ')}` : `did you mean ${nearest}?`
  throw new RelayFault('LR_USAGE', `<type>: there is no record of that type; ${hint}`)
}
