import type { Command } from 'commander'
import { timeText } from '../../lib/time-text.ts'
import { currentState } from '../../registry/client-history.ts'
import { id, parseIssuer, readConfigFor } from '../arguments.ts'
import { noteOtherMode } from '../other-mode.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { withoutQuery } from '../sessions/registration-rows.ts'
import {
  breakerText,
  type ClientSite,
  clientsLayout,
  oldestDeadlines,
  sumOf,
  withClients,
} from './client-site.ts'
import { findClient } from './find-client.ts'

interface SettingRow extends Record<string, unknown> {
  readonly name: string
  readonly value: string
  readonly source: 'record' | 'redis' | 'issuers-file'
  readonly recordedAt?: string
  /** Another place says something else, which counts. */
  readonly isOverridden: boolean
}

const sources = {
  record: 'a record',
  redis: 'written to Redis',
  'issuers-file': 'the issuers file',
} as const satisfies Record<SettingRow['source'], string>

const columns: readonly Column<SettingRow>[] = [
  { title: 'SETTING', cell: ({ name }) => name },
  { title: 'VALUE', cell: ({ value }) => value },
  {
    title: 'FROM',
    cell: ({ isOverridden, recordedAt, source }) =>
      `${sources[source]}${recordedAt === undefined ? '' : ` of ${recordedAt}`}${isOverridden ? ', overridden' : ''}`,
  },
]

export function addShowClient(clients: Command): void {
  reads(clients.command('show'), clientsLayout)
    .description('show one RP: its state, its settings and where they come from')
    .argument('<client>', 'the RP', id('<client>'))
    .option('--issuer <issuer>', 'issuer of the client (default: the only one)', parseIssuer)
    .option('--json', 'one line of JSON')
    .addHelpText('after', '\nExamples:\n  $ logout-relay clients show shop')
    .action(showClient)
}

async function showClient(clientId: string, { issuer: given, json }: { issuer?: string; json?: boolean }) {
  const output = new Output(json === true)
  const { issuer } = await readConfigFor({}, given)
  await withClients(async (site) => {
    const client = await findClient(site, issuer, clientId)
    const settings = await settingsOf(site, issuer, clientId)
    const [deadlineMs] = await oldestDeadlines(site, [client])
    const { history, parked, seen } = client
    const { kind = 'active', sinceMs } = currentState(history) ?? {}
    const counts = { sent: sumOf(seen, 'sent'), failed: sumOf(seen, 'failed'), parked }
    const lastError = seen.find((it) => it?.lastError !== undefined)?.lastError
    await noteOtherMode(output, site.redis, site.keys, (view) => view.size(client.rpKey))
    const oldest = deadlineMs !== undefined && Number.isFinite(deadlineMs) ? timeText(deadlineMs) : undefined
    if (output.isJson) {
      const states = history.map(({ atMs, state }) => ({ at: timeText(atMs), state }))
      const more = {
        oldestDeadlineAt: oldest ?? null,
        breaker: breakerText(seen),
        lastError: lastError ?? null,
      }
      output.json({ issuer, clientId, state: kind, states, ...counts, ...more, settings })
      return
    }
    output.line(`client    ${clientId}`)
    output.line(`issuer    ${issuer}`)
    output.line(`state     ${kind}${sinceMs === undefined ? '' : ` since ${timeText(sinceMs)}`}`)
    output.line(
      `sent      ${counts.sent}, failed ${counts.failed}, since the start of the relays that run now`,
    )
    output.line(`parked    ${parked}${oldest === undefined ? '' : `, first deadline ${oldest}`}`)
    output.line(`breaker   ${breakerText(seen)}`)
    if (lastError !== undefined) output.line(`last      ${lastError}`)
    output.line('')
    output.rows(columns, settings, 'no settings: its registrations apply')
  })
}

/** Those that count first. */
async function settingsOf(site: ClientSite, issuer: string, clientId: string): Promise<SettingRow[]> {
  const stored = await site.settings.settings(issuer, clientId)
  const listed = Object.entries(site.issuers?.get(issuer)?.client(clientId)?.settings ?? {})
  return [
    ...stored.map(({ name, recordedAtMs, value }) => ({
      name,
      value: withoutQuery(value),
      source: recordedAtMs === undefined ? ('redis' as const) : ('record' as const),
      ...(recordedAtMs !== undefined && { recordedAt: timeText(recordedAtMs) }),
      isOverridden: false,
    })),
    ...listed.map(([name, value]) => ({
      name,
      value: withoutQuery(String(value)),
      source: 'issuers-file' as const,
      isOverridden: stored.some((it) => it.name === name),
    })),
  ]
}
