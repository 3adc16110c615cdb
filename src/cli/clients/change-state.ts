import type { Command } from 'commander'
import type { ClientState } from '../../events/client.ts'
import { systemClock } from '../../lib/clock.ts'
import { delay } from '../../lib/deferred.ts'
import { RedisBacklogOperations } from '../../redis/redis-backlog-operations.ts'
import { currentState } from '../../registry/client-history.ts'
import { id, parseIssuer, readConfigFor } from '../arguments.ts'
import { confirm } from '../confirm.ts'
import { EXIT_CODE } from '../exit-code.ts'
import { noteOtherMode } from '../other-mode.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { type ClientSite, clientsLayout, withClients } from './client-site.ts'
import { findClient } from './find-client.ts'
import { publishChange, publishLayout } from './publish-change.ts'

interface Options {
  readonly issuer?: string
  readonly yes?: boolean
  readonly json?: boolean
}

interface StateRow extends Record<string, unknown> {
  readonly issuer: string
  readonly clientId: string
  readonly state: ClientState
  readonly before: ClientState
  readonly parked: number
}

const columns: readonly Column<StateRow>[] = [
  { title: 'CLIENT', cell: ({ clientId }) => clientId },
  { title: 'BEFORE', cell: ({ before }) => before },
  { title: 'NOW', cell: ({ state }) => state },
  { title: 'PARKED', cell: ({ parked }) => parked, alignment: 'right' },
]

/** After so long every relay knows of a change. */
const IN_FORCE_MS = 1_000

export function addChangeState(clients: Command): void {
  withOptions(reads(clients.command('pause'), clientsLayout, publishLayout))
    .description('send nothing to an RP: its logouts are parked, and their deadlines stand still')
    .addHelpText('after', '\nExamples:\n  $ logout-relay clients pause shop')
    .action((client: string, options: Options) => changeState(client, 'paused', options))
  withOptions(reads(clients.command('resume'), clientsLayout, publishLayout))
    .description('make an RP active again that was paused or retired')
    .addHelpText('after', '\nExamples:\n  $ logout-relay clients resume shop')
    .action((client: string, options: Options) => changeState(client, 'active', options))
  withOptions(reads(clients.command('retire'), clientsLayout, publishLayout))
    .description('take no registrations of an RP any more; what is owed to it fails with reason retired')
    .option('--yes', 'do not ask; required without a terminal')
    .addHelpText('after', '\nExamples:\n  $ logout-relay clients retire shop')
    .action((client: string, options: Options) => changeState(client, 'retired', options))
}

function withOptions(command: Command): Command {
  return command
    .argument('<client>', 'the RP', id('<client>'))
    .option('--issuer <issuer>', 'issuer of the client (default: the only one)', parseIssuer)
    .option('--json', 'one line of JSON')
}

async function changeState(clientId: string, state: ClientState, options: Options): Promise<void> {
  const output = new Output(options.json === true)
  const { issuer } = await readConfigFor({}, options.issuer)
  await withClients(async (site) => {
    const { history, parked, rpKey } = await findClient(site, issuer, clientId)
    const before = currentState(history)?.kind ?? 'active'
    const question = `Retire ${clientId}? Its ${parked} parked deliveries fail, and its RP gets no logout any more.`
    if (state === 'retired' && !(await confirm(question, options.yes))) {
      output.note('nothing was changed')
      process.exitCode = EXIT_CODE.failed
      return
    }
    if (before !== state) await publishChange(site, { issuer, clientId, state }, history)
    if (state === 'retired' && parked > 0) await endParked(site, rpKey)
    output.rows(columns, [{ issuer, clientId, state, before, parked }], '')
    if (before === state) output.note(`it was ${state} before`)
    await noteOtherMode(output, site.redis, site.keys, (view) => view.size(rpKey))
  })
}

/** What is parked would end when it is due, which may be much later. */
async function endParked({ backlog, keys, redis }: ClientSite, rpKey: string): Promise<void> {
  // A relay that does not know yet that the client is retired would send it.
  await delay(IN_FORCE_MS)
  const operations = new RedisBacklogOperations(redis, keys)
  for await (const members of backlog.members(rpKey))
    await operations.makeDue(rpKey, members, systemClock.now())
}
