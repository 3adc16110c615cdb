import type { Command, Option } from 'commander'

export interface DescribedOption {
  /** As it is typed, the long form first. */
  readonly names: readonly string[]
  readonly description: string
  /** What the help calls its value, without brackets; undefined for a flag. */
  readonly value?: string
  readonly isValueOptional: boolean
  readonly choices: readonly string[]
  readonly isFile: boolean
}

/** A command as completions and the manual know it. */
export interface DescribedCommand {
  /** Without the name of the program: empty for the program itself. */
  readonly path: readonly string[]
  readonly description: string
  /** Such as `logout-relay trace [options] <session or user>`. */
  readonly usage: string
  /** Values that its first argument may have. */
  readonly choices: readonly string[]
  readonly options: readonly DescribedOption[]
  readonly commands: readonly DescribedCommand[]
}

export function describeCommand(command: Command, path: readonly string[] = []): DescribedCommand {
  const help = command.createHelp()
  const options = [...help.visibleOptions(command), ...help.visibleGlobalOptions(command)]
  return {
    path,
    description: command.description(),
    usage: help.commandUsage(command),
    choices: command.registeredArguments[0]?.argChoices ?? [],
    options: options.map(describeOption),
    commands: command.commands.map((it) => describeCommand(it, [...path, it.name()])),
  }
}

/** Every command, the program first. */
export function allCommands(command: DescribedCommand): DescribedCommand[] {
  return [command, ...command.commands.flatMap(allCommands)]
}

/** The names of all options that are followed by a value. */
export function namesWithValue(command: DescribedCommand): string[] {
  const options = allCommands(command).flatMap((it) => it.options)
  const taking = options.filter(({ value, isValueOptional }) => value !== undefined && !isValueOptional)
  return [...new Set(taking.flatMap(({ names }) => names))].sort()
}

function describeOption(option: Option): DescribedOption {
  const value = /[<[](.+)[>\]]/.exec(option.flags)?.[1]
  return {
    names: [option.long, option.short].filter((it) => it !== undefined && it !== null),
    description: option.description,
    ...(value !== undefined && { value }),
    isValueOptional: option.optional,
    choices: option.argChoices ?? [],
    isFile: value === 'path',
  }
}
