import { type Command, Option } from 'commander'
import { id, parseIssuer } from './arguments.ts'
import { type SendOptions, sendTrigger } from './send/send-trigger.ts'

export function addSend(program: Command): void {
  const send = program
    .command('send')
    .description('publish one trigger to Kafka, as the identity provider does')
    .addHelpText(
      'after',
      '\nExamples:\n  $ logout-relay send session-terminated --session iPOqb3da --wait 30',
    )
  withOptions(send.command('session-terminated'))
    .description('a session has ended: every RP of it is told')
    .requiredOption('--session <id>', 'the session at the provider', id('--session'))
    .option('--user <id>', 'its user', id('--user'))
    .addHelpText(
      'after',
      '\nExamples:\n  $ logout-relay send session-terminated --session iPOqb3da --wait 30',
    )
    .action((options: SendOptions) => sendTrigger('session-terminated', options))
  withOptions(send.command('user-signed-out'))
    .description('a user has signed out: of one session, or everywhere')
    .requiredOption('--user <id>', 'the user', id('--user'))
    .option('--session <id>', 'of this session alone; everywhere when not given', id('--session'))
    .addHelpText('after', '\nExamples:\n  $ logout-relay send user-signed-out --user alice --wait')
    .action((options: SendOptions) => sendTrigger('user-signed-out', options))
}

function withOptions(command: Command): Command {
  return command
    .option('--issuer <issuer>', 'the issuer, where there are several', parseIssuer)
    .option('--reason <text>', 'why, for whoever reads the topic')
    .option('--topic <name>', 'the first of KAFKA_TOPICS when not given')
    .addOption(
      new Option(
        '--wait [seconds]',
        'follow what becomes of it: 0 when every RP was told, 1 when not (30 seconds)',
      ).preset('30'),
    )
    .option('--json', 'one line of JSON for the trigger, and one per outcome')
}
