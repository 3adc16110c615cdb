import { type Command, Option } from 'commander'
import { issuersLayout } from '../app/create-issuers.ts'
import { layout } from '../config/config.ts'
import { id, parseIssuer } from './arguments.ts'
import { reads } from './reads.ts'
import { type SendOptions, sendLayout, sendTrigger } from './send/send-trigger.ts'

export function addSend(program: Command): void {
  const send = program
    .command('send')
    .description('publish one trigger to Kafka, as the identity provider does')
    .addHelpText(
      'after',
      '\nExamples:\n  $ logout-relay send session-terminated --session iPOqb3da --wait 30',
    )
  withOptions(send.command('session-terminated'))
    .description('end a session: each of its RPs gets a logout')
    .requiredOption('--session <id>', 'the session id of the provider', id('--session'))
    .option('--user <id>', 'its user', id('--user'))
    .addHelpText(
      'after',
      '\nExamples:\n  $ logout-relay send session-terminated --session iPOqb3da --wait 30',
    )
    .action((options: SendOptions) => sendTrigger('session-terminated', options))
  withOptions(send.command('user-signed-out'))
    .description('sign a user out of one session, or everywhere')
    .requiredOption('--user <id>', 'the user', id('--user'))
    .option('--session <id>', 'only this session (default: everywhere)', id('--session'))
    .addHelpText('after', '\nExamples:\n  $ logout-relay send user-signed-out --user alice --wait')
    .action((options: SendOptions) => sendTrigger('user-signed-out', options))
}

function withOptions(command: Command): Command {
  return reads(command, sendLayout, layout.redis, issuersLayout)
    .option('--issuer <issuer>', 'the issuer (default: the only one)', parseIssuer)
    .option('--reason <text>', 'reason, for readers of the topic')
    .option('--topic <name>', 'topic (default: the first name in KAFKA_TOPICS)')
    .addOption(
      new Option(
        '--wait [seconds]',
        'wait for the outcomes; exit code 0 if all are sent, 1 if not, as in shadow mode (default: 30 seconds)',
      ).preset('30'),
    )
    .option('--json', 'one line of JSON for the trigger, and one per outcome')
}
