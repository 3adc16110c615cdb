import type { Command } from 'commander'
import { addListSessions } from './sessions/list-sessions.ts'
import { addRegisterSession } from './sessions/register-session.ts'
import { addRemoveSession } from './sessions/remove-session.ts'
import { addShowSession } from './sessions/show-session.ts'

export function addSessions(program: Command): void {
  const sessions = program
    .command('sessions')
    .description('sessions in Redis and their registrations')
    .addHelpText('after', '\nExamples:\n  $ logout-relay sessions list --user alice')
  addListSessions(sessions)
  addShowSession(sessions)
  addRegisterSession(sessions)
  addRemoveSession(sessions)
}
