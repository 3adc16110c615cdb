import type { Command } from 'commander'
import { layout, optionsIn } from '../config/config.ts'
import { describeEnvironment, type OptionState } from '../config/describe-environment.ts'
import { RelayFault } from '../lib/errors.ts'
import { EXIT_CODE } from './exit-code.ts'
import { type Column, Output } from './output.ts'
import { optionsReadBy, reads } from './reads.ts'

type OptionRow = OptionState & Record<string, unknown>

const columns: readonly Column<OptionRow>[] = [
  { title: 'OPTION', cell: ({ name }) => name },
  {
    title: 'VALUE',
    cell: valueText,
    style: ({ problem }) => (problem === undefined ? undefined : 'red'),
  },
  { title: 'FROM', cell: sourceText },
  {
    title: 'MEANING',
    cell: ({ description, problem }) =>
      problem === undefined ? plain(description) : [plain(description), `→ ${problem}`],
    isProse: true,
  },
]

export function addEnv(program: Command, whole: () => Promise<Command>): void {
  reads(program.command('env'))
    .description('print the environment that a command reads, with the present values')
    .argument(
      '[command...]',
      'the command, such as trace or backlog list (default: all options, as serve reads them)',
    )
    .option('--json', 'one line of JSON per option')
    .addHelpText(
      'after',
      `
Options that must be set come first; secrets are masked. Exit code 2: one is
missing or wrong.

Examples:
  $ logout-relay env trace
  $ logout-relay env serve --env-file relay.env`,
    )
    .action(async (path: readonly string[], { json }: { json?: boolean }) =>
      env(path, await whole(), new Output(json === true)),
    )
}

function env(path: readonly string[], program: Command, output: Output): void {
  const names = path.length === 0 ? optionsIn(layout) : optionsReadBy(commandAt(path, program))
  const rows = describeEnvironment(names).map((it) => ({ ...it }))
  output.rows(columns, rows, `${path.join(' ')} reads no options`)
  const wrong = rows.filter(({ problem }) => problem !== undefined)
  if (wrong.length === 0) return
  output.fail(`missing or wrong: ${wrong.map(({ name }) => name).join(', ')}`)
  process.exitCode = EXIT_CODE.usage
}

function commandAt(path: readonly string[], program: Command): Command {
  let command = program
  for (const name of path) {
    const next = command.commands.find((it) => it.name() === name)
    if (next === undefined)
      throw new RelayFault('LR_USAGE', `<command>: there is no command ${path.join(' ')}`)
    command = next
  }
  return command
}

function valueText({ problem, source, value }: OptionRow): string | undefined {
  if (source !== 'unset') return value
  return problem === undefined ? 'not set' : 'missing'
}

function sourceText({ name, source }: OptionRow): string {
  switch (source) {
    case 'file':
      return `${name}_FILE`
    case 'env-file':
      return '--env-file'
    case 'unset':
      return ''
    case 'environment':
    case 'default':
      return source
    default:
      return source satisfies never
  }
}

function plain(description: string): string {
  return description.replaceAll('`', '')
}
