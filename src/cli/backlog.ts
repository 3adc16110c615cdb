import type { Command } from 'commander'
import { addDiscardBacklog } from './backlog/discard-backlog.ts'
import { addListBacklogs } from './backlog/list-backlogs.ts'
import { addRetryBacklog } from './backlog/retry-backlog.ts'
import { addShowBacklog } from './backlog/show-backlog.ts'

export function addBacklog(program: Command): void {
  const backlog = program
    .command('backlog')
    .description('deliveries that are parked in Redis until they are due')
    .addHelpText('after', '\nExamples:\n  $ logout-relay backlog list')
  addListBacklogs(backlog)
  addShowBacklog(backlog)
  addRetryBacklog(backlog)
  addDiscardBacklog(backlog)
}
