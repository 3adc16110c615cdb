import {
  allCommands,
  type DescribedCommand,
  type DescribedOption,
  describeCommand,
} from '../../src/cli/completion/described-command.ts'
import { completions } from '../../src/cli/completion.ts'
import { exitCodes } from '../../src/cli/exit-code.ts'
import { createProgram } from '../../src/cli/program.ts'
import { describeOptions } from '../../src/config/describe-options.ts'

/** Every file of the package that is made from the commands and the options, by its path from the root. */
export async function manualFiles(): Promise<Record<string, string>> {
  const program = await createProgram()
  const described = describeCommand(program)
  return {
    'man/logout-relay.1': manPage(described),
    'completions/logout-relay.bash': completions.bash(described),
    'completions/_logout-relay': completions.zsh(described),
    'completions/logout-relay.fish': completions.fish(described),
  }
}

function manPage(program: DescribedCommand): string {
  const commands = allCommands(program).filter(({ path }) => path.length > 0)
  const lines = [
    '.\\" Made by "npm run docs" from the commands and the options.',
    '.TH LOGOUT-RELAY 1',
    '.SH NAME',
    `logout\\-relay \\- ${text(program.description)}`,
    '.SH SYNOPSIS',
    '.B logout\\-relay',
    '.RI [ options ] " command " [ arguments ]',
    '.SH OPTIONS',
    'Of every command:',
    ...program.options.flatMap(optionLines),
    '.SH COMMANDS',
    ...commands.flatMap((it) => commandLines(it, program)),
    '.SH EXIT STATUS',
    ...Object.values(exitCodes).flatMap(({ code, meaning }) => ['.TP', `.B ${code}`, text(meaning)]),
    '.SH ENVIRONMENT',
    'What a command reads of these,',
    '.B logout\\-relay env',
    'prints with its present value.',
    ...describeOptions().flatMap(({ defaultValue, description, name, required }) => {
      const note = required ? ' Required.' : defaultValue ? ` Default: ${defaultValue}.` : ''
      return ['.TP', `.B ${text(name)}`, text(`${description}${note}`)]
    }),
  ]
  return `${lines.join('\n')}\n`
}

function commandLines(
  { choices, description, options, path, usage }: DescribedCommand,
  program: DescribedCommand,
): string[] {
  const ofAll = new Set(program.options.map(({ names }) => names[0]))
  const own = options.filter(({ names }) => !ofAll.has(names[0]))
  const values = choices.length === 0 ? [] : [`One of ${choices.join(', ')}.`]
  return [`.SS ${text(path.join(' '))}`, `.B ${text(usage)}`, '.PP', text(description), ...values].concat(
    own.flatMap(optionLines),
  )
}

function optionLines({ choices, description, isValueOptional, names, value }: DescribedOption): string[] {
  const shown = value === undefined ? '' : isValueOptional ? ` [${value}]` : ` <${value}>`
  const values = choices.length === 0 ? '' : ` (${choices.join(', ')})`
  return ['.TP', `.B ${text(`${names.join(', ')}${shown}`)}`, text(`${description}${values}`)]
}

/** As roff prints it: no line is taken for a request, and a dash can be copied. */
function text(words: string): string {
  const line = words.replaceAll('`', '').replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('\n', ' ')
  return /^[.']/.test(line) ? `\\&${line}` : line
}
