import { Command } from 'commander'
import { loadEnvFile } from '../config/env.ts'
import { version } from '../lib/version.ts'
import { errorLine } from './output.ts'

const ENV_FILE = '--env-file'

/** `whole`: the program with all commands, for those that speak of others. */
type AddCommand = (program: Command, whole: () => Promise<Command>) => void

/** In the order of the help. Each stands in a file of its own, which is loaded when it is needed: loading is most of a start. */
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  serve: async () => (await import('./serve.ts')).addServe,
  reconcile: async () => (await import('./reconcile.ts')).addReconcile,
  replay: async () => (await import('./replay.ts')).addReplay,
  sessions: async () => (await import('./sessions.ts')).addSessions,
  clients: async () => (await import('./clients.ts')).addClients,
  backlog: async () => (await import('./backlog.ts')).addBacklog,
  send: async () => (await import('./send.ts')).addSend,
  keys: async () => (await import('./keys.ts')).addKeys,
  shadow: async () => (await import('./shadow.ts')).addShadow,
  trace: async () => (await import('./trace.ts')).addTrace,
  doctor: async () => (await import('./doctor.ts')).addDoctor,
  map: async () => (await import('./map.ts')).addMap,
  schema: async () => (await import('./schema.ts')).addSchema,
  env: async () => (await import('./env.ts')).addEnv,
  completion: async () => (await import('./completion.ts')).addCompletion,
}

/** The command that the arguments of a command line name; what else they are about is not known before it is loaded. */
export function commandNamed(args: readonly string[]): string | undefined {
  return args.find((it, i) => !it.startsWith('-') && args[i - 1] !== ENV_FILE)
}

/** The command line. With the command that `name` says; with all of them when that is none, for help and suggestions. */
export async function createProgram(name: string | undefined = ''): Promise<Command> {
  const program = new Command('logout-relay')
    .description(
      'Delivers OpenID Connect Back-Channel Logout tokens, from Kafka triggers to every relying party.',
    )
    .version(version)
    .option(`${ENV_FILE} <path>`, 'options of the environment that are not set there: lines of NAME=value')
    .hook('preAction', (whole) => {
      const { envFile } = whole.opts<{ envFile?: string }>()
      if (envFile !== undefined) loadEnvFile(envFile)
    })
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError()
    .configureOutput({
      outputError: (text, write) => write(errorLine(text.replace(/^error: /, '').trimEnd(), process.stderr)),
    })
    // Subcommands take this over: a wrong argument is thrown, and the process edge gives it its exit code.
    .exitOverride()
  const needed = Object.hasOwn(commands, name) ? [name] : Object.keys(commands)
  const added = await Promise.all(needed.map((it) => commands[it]?.()))
  for (const add of added) add?.(program, () => createProgram())
  return program
}
