import { Command } from 'commander'
import { version } from '../lib/version.ts'

type AddCommand = (program: Command) => void

/** In the order of the help. Each stands in a file of its own, which is loaded when it is needed: loading is most of a start. */
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  serve: async () => (await import('./serve.ts')).addServe,
  reconcile: async () => (await import('./reconcile.ts')).addReconcile,
  replay: async () => (await import('./replay.ts')).addReplay,
  sessions: async () => (await import('./sessions.ts')).addSessions,
  backlog: async () => (await import('./backlog.ts')).addBacklog,
  send: async () => (await import('./send.ts')).addSend,
  shadow: async () => (await import('./shadow.ts')).addShadow,
  trace: async () => (await import('./trace.ts')).addTrace,
  doctor: async () => (await import('./doctor.ts')).addDoctor,
}

/** The command line. With the command that `name` says; with all of them when that is none, for help and suggestions. */
export async function createProgram(name = ''): Promise<Command> {
  const program = new Command('logout-relay')
    .description(
      'Delivers OpenID Connect Back-Channel Logout tokens, from Kafka triggers to every relying party.',
    )
    .version(version)
    .showSuggestionAfterError()
    // Subcommands take this over: a wrong argument is thrown, and the process edge gives it its exit code.
    .exitOverride()
  const needed = Object.hasOwn(commands, name) ? [name] : Object.keys(commands)
  const added = await Promise.all(needed.map((it) => commands[it]?.()))
  for (const add of added) add?.(program)
  return program
}
