import { isIP } from 'node:net'
import type { Command } from 'commander'
import { layout } from '../../config/config.ts'
import { readEachOption } from '../../config/read-each-option.ts'
import { ClientPolicy } from '../../delivery/client-policy.ts'
import { NameResolver } from '../../egress/name-resolver.ts'
import { logoutEndpoint } from '../../events/logout-endpoint.ts'
import { systemClock } from '../../lib/clock.ts'
import { messageOf, RelayFault } from '../../lib/errors.ts'
import { id, parseIssuer, readConfigFor } from '../arguments.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { withoutQuery } from '../sessions/registration-rows.ts'
import { type ClientSite, clientsLayout, withClients } from './client-site.ts'
import { changeOf, publishChange, publishLayout } from './publish-change.ts'

interface Options {
  readonly issuer?: string
  readonly uri?: string
  readonly alg?: string
  readonly claims?: string
  readonly sessionRequired?: string | true
  readonly json?: boolean
}

interface SetRow extends Record<string, unknown> {
  readonly issuer: string
  readonly clientId: string
  readonly name: string
  readonly value: string
}

const columns: readonly Column<SetRow>[] = [
  { title: 'CLIENT', cell: ({ clientId }) => clientId },
  { title: 'SET', cell: ({ name }) => name },
  { title: 'TO', cell: ({ value }) => value },
]

export function addSetClient(clients: Command): void {
  reads(clients.command('set'), clientsLayout, publishLayout)
    .description('set for one RP what wins over its registrations; also for one that is new')
    .argument('<client>', 'the RP', id('<client>'))
    .option('--issuer <issuer>', 'issuer of the client (default: the only one)', parseIssuer)
    .option('--uri <uri>', 'backchannelLogoutUri: where the RP accepts logout tokens')
    .option(
      '--session-required [boolean]',
      'sessionRequired: the RP requires sid in every token (true or false)',
    )
    .option('--alg <alg>', 'alg: RS256, PS256, ES256, EdDSA or Ed25519')
    .option('--claims <claims>', 'claims: both, sub or sid')
    .option('--json', 'one line of JSON per setting')
    .addHelpText(
      'after',
      `
The settings are a record on the topic, and so survive the loss of Redis. They
are in force within a second.

Examples:
  $ logout-relay clients set shop --uri https://shop.example.com/logout`,
    )
    .action(setClient)
}

async function setClient(clientId: string, options: Options): Promise<void> {
  const output = new Output(options.json === true)
  const { issuer, isKnown } = await readConfigFor({}, options.issuer)
  if (isKnown === false)
    return output.fail(`--issuer: nothing was set, because ${issuer} is not an issuer of this relay`)
  const settings = settingsIn(options)
  const data = { issuer, clientId, ...settings }
  changeOf(data, systemClock.now())
  await withClients(async (site) => {
    const { uri } = options
    if (uri !== undefined) {
      const objection = await objectionTo(site, issuer, clientId, uri, (note) => output.note(note))
      if (objection !== undefined) throw new RelayFault('LR_REFUSED', `--uri: ${objection}`)
    }
    await publishChange(site, data)
    const rows = Object.entries(settings).map(
      ([name, value]): SetRow => ({ issuer, clientId, name, value: withoutQuery(String(value)) }),
    )
    output.rows(columns, rows, '')
  })
}

/** Throws `LR_USAGE` when nothing is to be set. */
function settingsIn({ alg, claims, sessionRequired, uri }: Options): Record<string, unknown> {
  const isRequired = sessionRequired === true || sessionRequired === 'true'
  if (sessionRequired !== undefined && !isRequired && sessionRequired !== 'false')
    throw new RelayFault('LR_USAGE', '--session-required: must be true or false')
  const settings = {
    ...(uri !== undefined && { backchannelLogoutUri: uri }),
    ...(sessionRequired !== undefined && { sessionRequired: isRequired }),
    ...(alg !== undefined && { alg }),
    ...(claims !== undefined && { claims }),
  }
  if (Object.keys(settings).length > 0) return settings
  throw new RelayFault('LR_USAGE', 'give at least one of --uri, --session-required, --alg and --claims')
}

/** Why logouts of that client would not go there, as far as this machine can tell. */
async function objectionTo(
  { issuers }: ClientSite,
  issuer: string,
  clientId: string,
  uri: string,
  note: (text: string) => void,
): Promise<string | undefined> {
  const endpoint = logoutEndpoint(uri)
  const clients = readEachOption().part(layout.clients)
  const guard = issuers?.get(issuer)?.egress
  if (issuers === undefined || clients === undefined || guard === undefined) {
    note('where its logouts may go was not checked, because the issuer is not configured here')
    return undefined
  }
  const refusal = new ClientPolicy(clients, issuers, () => undefined).refusal({ issuer, clientId }, endpoint)
  if (refusal !== undefined) return refusal
  const objection = guard.objection(endpoint)
  const { hostname } = new URL(endpoint.origin)
  if (objection !== undefined || isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0) return objection
  const names = new NameResolver()
  try {
    const found = await names.addressesOf(hostname).catch((error: unknown) => {
      note(`its addresses could not be looked up here: ${messageOf(error)}`)
      return undefined
    })
    if (found !== undefined) guard.permitted(hostname, found)
    return undefined
  } catch (error) {
    return messageOf(error)
  } finally {
    names.close()
  }
}
