import type { Command } from 'commander'
import { type Layout, layout, optionsIn } from '../config/config.ts'

const parts = new WeakMap<Command, readonly Layout[]>()

/** Notes which options of the environment a command reads, for `logout-relay env`. */
export function reads(command: Command, ...read: readonly Layout[]): Command {
  parts.set(command, read)
  return command
}

/** The options that a command or its subcommands read, each once; of one that does not say so, all. */
export function optionsReadBy(command: Command): ReturnType<typeof optionsIn> {
  const below = command.commands.flatMap(optionsReadBy)
  const own = parts.get(command) ?? (command.commands.length === 0 ? [layout] : [])
  return [...new Set([...optionsIn(own), ...below])]
}
