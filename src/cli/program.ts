import { Command } from 'commander'
import { optionsHelp } from './options-help.ts'
import { serve } from './serve.ts'

/** The command line: one file per command beside this one. */
export function createProgram(): Command {
  const program = new Command('logout-relay')
    .description(
      'Delivers OpenID Connect Back-Channel Logout tokens, from Kafka triggers to every relying party.',
    )
    .showSuggestionAfterError()
  program
    .command('serve')
    .description('consume triggers and deliver logouts until SIGTERM')
    .addHelpText('after', () => `\nConfiguration (environment):\n${optionsHelp()}`)
    .action(serve)
  return program
}
