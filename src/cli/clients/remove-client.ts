import type { Command } from 'commander'
import type { ClientState } from '../../events/client.ts'
import { currentState } from '../../registry/client-history.ts'
import { id, parseIssuer, readConfigFor } from '../arguments.ts'
import { confirm } from '../confirm.ts'
import { EXIT_CODE } from '../exit-code.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { withoutQuery } from '../sessions/registration-rows.ts'
import { clientsLayout, withClients } from './client-site.ts'
import { findClient } from './find-client.ts'
import { publishChange, publishLayout } from './publish-change.ts'

interface Options {
  readonly issuer?: string
  readonly yes?: boolean
  readonly json?: boolean
}

interface RemovedRow extends Record<string, unknown> {
  readonly issuer: string
  readonly clientId: string
  readonly name: string
  readonly value: string
}

const columns: readonly Column<RemovedRow>[] = [
  { title: 'CLIENT', cell: ({ clientId }) => clientId },
  { title: 'TAKEN BACK', cell: ({ name }) => name },
  { title: 'WAS', cell: ({ value }) => value },
]

/** What becomes of the client itself. */
const consequences: Readonly<Record<ClientState, string>> = {
  active: 'Its registrations apply again, and what the issuers file has.',
  paused: 'It is active then: what is parked for it is sent.',
  retired: 'It is active then: registrations of it are taken again.',
}

export function addRemoveClient(clients: Command): void {
  reads(clients.command('remove'), clientsLayout, publishLayout)
    .description(
      'take back all that records have set for an RP: its settings, and that it is paused or retired',
    )
    .argument('<client>', 'the RP', id('<client>'))
    .option('--issuer <issuer>', 'issuer of the client (default: the only one)', parseIssuer)
    .option('--yes', 'do not ask; required without a terminal')
    .option('--json', 'one line of JSON for each thing that was set')
    .addHelpText(
      'after',
      `
Its registrations stay, and so does what the issuers file has for it, or what
somebody has written to Redis.

Examples:
  $ logout-relay clients remove shop`,
    )
    .action(removeClient)
}

async function removeClient(clientId: string, options: Options): Promise<void> {
  const output = new Output(options.json === true)
  const { issuer } = await readConfigFor({}, options.issuer)
  await withClients(async (site) => {
    const { history } = await findClient(site, issuer, clientId)
    const { kind = 'active' } = currentState(history) ?? {}
    const recorded = (await site.settings.settings(issuer, clientId)).filter(
      ({ recordedAtMs }) => recordedAtMs !== undefined,
    )
    const rows: RemovedRow[] = [
      ...(kind === 'active' ? [] : [{ issuer, clientId, name: 'state', value: kind }]),
      ...recorded.map(({ name, value }) => ({ issuer, clientId, name, value: withoutQuery(value) })),
    ]
    if (rows.length === 0) return output.note(`no record has set anything for ${clientId}`)
    const what = rows.map(({ name }) => name).join(', ')
    const question = `Take back ${what} of ${clientId}? ${consequences[kind]}`
    if (!(await confirm(question, options.yes))) {
      output.note('nothing was changed')
      process.exitCode = EXIT_CODE.failed
      return
    }
    await publishChange(site, { issuer, clientId }, history, 'client-removed')
    output.rows(columns, rows, '')
  })
}
