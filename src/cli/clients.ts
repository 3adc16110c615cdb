import type { Command } from 'commander'
import { addChangeState } from './clients/change-state.ts'
import { addListClients } from './clients/list-clients.ts'
import { addRemoveClient } from './clients/remove-client.ts'
import { addSetClient } from './clients/set-client.ts'
import { addShowClient } from './clients/show-client.ts'

export function addClients(program: Command): void {
  const clients = program
    .command('clients')
    .description('RPs: how they are, what is set for them, and whether they are sent to')
    .addHelpText('after', '\nExamples:\n  $ logout-relay clients list --failing')
  addListClients(clients)
  addShowClient(clients)
  addSetClient(clients)
  addChangeState(clients)
  addRemoveClient(clients)
}
