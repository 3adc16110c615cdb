import { Command } from 'commander'
import { version } from '../version.ts'
import { addBacklog } from './backlog.ts'
import { addDoctor } from './doctor.ts'
import { optionsHelp } from './options-help.ts'
import { addReconcile } from './reconcile.ts'
import { addReplay } from './replay.ts'
import { addSend } from './send.ts'
import { serve } from './serve.ts'
import { addSessions } from './sessions.ts'
import { addTrace } from './trace.ts'

/** The command line: one file per command beside this one. */
export function createProgram(): Command {
  const program = new Command('logout-relay')
    .description(
      'Delivers OpenID Connect Back-Channel Logout tokens, from Kafka triggers to every relying party.',
    )
    .version(version)
    .showSuggestionAfterError()
    // Subcommands take this over: a wrong argument is thrown, and the process edge gives it its exit code.
    .exitOverride()
  program
    .command('serve')
    .description('consume triggers and deliver logouts until SIGTERM')
    .addHelpText('after', () => `\nConfiguration (environment):\n${optionsHelp()}`)
    .action(serve)
  addReconcile(program)
  addReplay(program)
  addSessions(program)
  addBacklog(program)
  addSend(program)
  addTrace(program)
  addDoctor(program)
  return program
}
