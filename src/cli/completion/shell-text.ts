import { allCommands, type DescribedCommand, type DescribedOption } from './described-command.ts'

/** The first line of each script says where it comes from. */
export const ORIGIN =
  'Completion of logout-relay, made from its commands: see "logout-relay completion --help".'

/** As one word of a shell that takes what stands between quotes literally: bash and zsh. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** Of each subcommand the path of the command that it belongs to with its own name behind: what a reader of words goes by. */
export function steps(program: DescribedCommand): string[] {
  return allCommands(program).flatMap(({ path, commands }) =>
    commands.map((it) => `${path.join(' ')} ${it.path.at(-1)}`),
  )
}

/** The name of the last command on the line, of which there are options to offer. */
export function nameOf({ path }: DescribedCommand): string {
  return path.join(' ')
}

/** The first line of a description, without the marks of the pages. */
export function brief(text: string): string {
  return (text.split('\n', 1)[0] as string).replaceAll('`', '')
}

/** Options of which the values are known, or are files. */
export function optionsWithOffers({ options }: DescribedCommand): DescribedOption[] {
  return options.filter(({ choices, isFile }) => choices.length > 0 || isFile)
}
