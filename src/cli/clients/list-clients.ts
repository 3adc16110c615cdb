import type { Command } from 'commander'
import type { ClientState } from '../../events/client.ts'
import { systemClock } from '../../lib/clock.ts'
import { timeText } from '../../lib/time-text.ts'
import { currentState } from '../../registry/client-history.ts'
import { count, parseIssuer } from '../arguments.ts'
import { noteOtherMode } from '../other-mode.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import {
  breakerText,
  type ClientSite,
  clientsLayout,
  type KnownClient,
  knownClients,
  oldestDeadlines,
  sumOf,
  withClients,
} from './client-site.ts'

interface Options {
  readonly issuer?: string
  readonly failing?: boolean
  readonly limit: number
  readonly json?: boolean
}

interface ClientRow extends Record<string, unknown> {
  readonly issuer: string
  readonly clientId: string
  readonly state: ClientState
  readonly sent: number
  readonly failed: number
  readonly parked: number
  /** Missing where nothing is parked, null while it stands still. */
  readonly oldestDeadlineAt?: string | null
  readonly breaker: string
  readonly lastError?: string
}

const LIMIT = 100
const LIMIT_MAX = 100_000
/** A failure that is older says little of how the RP is now. */
const RECENT_MS = 15 * 60_000

export function addListClients(clients: Command): void {
  reads(clients.command('list'), clientsLayout)
    .description('list RPs, those that are failing first')
    .option('--issuer <issuer>', 'only clients of this issuer (default: all)', parseIssuer)
    .option('--failing', 'only those that are failing')
    .option('--limit <count>', 'maximum number of RPs', count('--limit', LIMIT_MAX), LIMIT)
    .option('--json', 'one line of JSON per RP')
    .addHelpText(
      'after',
      `
SENT and FAILED count deliveries since the start of the relays that run now,
together. BREAKER is that of all of them. An RP is failing while a breaker is
open, for 15 minutes after a delivery failed, and while one that was attempted
is parked; one that is paused or retired only for 15 minutes after a delivery
failed, because nothing is sent to it. RPs that have registrations alone, and
were sent nothing yet, are not listed.

Examples:
  $ logout-relay clients list --failing`,
    )
    .action(listClients)
}

async function listClients({ issuer: given, failing, limit, json }: Options): Promise<void> {
  const output = new Output(json === true)
  await withClients(async (site) => {
    const issuer = given === undefined ? undefined : (site.issuers?.resolve(given) ?? given)
    const known = await knownClients(site, issuer)
    if (issuer !== undefined && known.length === 0 && site.issuers?.knows(issuer) !== true) {
      output.fail(`--issuer: ${issuer} is neither configured here nor the issuer of any RP that is known`)
      return
    }
    const errors = await lastErrors(site, known)
    const isIll = (it: KnownClient) => isFailing(it, errors.get(it.rpKey), systemClock.now())
    const wanted = known
      .filter((it) => failing !== true || isIll(it))
      .sort(
        (a, b) =>
          Number(isIll(b)) - Number(isIll(a)) || b.parked - a.parked || (a.clientId < b.clientId ? -1 : 1),
      )
    const shown = wanted.slice(0, limit)
    const deadlines = await oldestDeadlines(site, shown)
    const rows = shown.map((it, i) => rowOf(it, deadlines[i], errors.get(it.rpKey)))
    const hasSeveral = new Set(rows.map((row) => row.issuer)).size > 1
    output.rows(columnsFor(hasSeveral), rows, failing === true ? 'no RP is failing' : 'no RP is known yet')
    if (wanted.length > limit) output.note(`there are more than ${limit}; set --limit to list more`)
    if (known.some(({ seen }) => seen.length === 0))
      output.note('no relay runs: SENT, FAILED and BREAKER are not known')
    await noteOtherMode(output, site.redis, site.keys)
  })
}

/** Of the relays, or of what is parked. */
async function lastErrors(
  { backlog }: ClientSite,
  known: readonly KnownClient[],
): Promise<ReadonlyMap<string, string>> {
  const errors = new Map<string, string>()
  for (const { parked, rpKey, seen } of known) {
    const seenError = seen.find((it) => it?.lastError !== undefined)?.lastError
    const [first] =
      seenError === undefined && parked > 0 ? await backlog.first(rpKey, 1, systemClock.now()) : []
    const error = seenError ?? first?.state.lastError
    if (error !== undefined) errors.set(rpKey, error)
  }
  return errors
}

function isFailing(
  { history, parked, seen }: KnownClient,
  lastError: string | undefined,
  nowMs: number,
): boolean {
  if (seen.some((it) => (it?.failedAtMs ?? 0) > nowMs - RECENT_MS)) return true
  // What is parked for it waits for an operator, and a breaker is as it was before the pause.
  if ((currentState(history)?.kind ?? 'active') !== 'active') return false
  return (parked > 0 && lastError !== undefined) || seen.some((it) => it?.openSinceMs !== undefined)
}

function rowOf(it: KnownClient, deadlineMs: number | undefined, lastError: string | undefined): ClientRow {
  const { clientId, history, issuer, parked, seen } = it
  return {
    issuer,
    clientId,
    state: currentState(history)?.kind ?? 'active',
    sent: sumOf(seen, 'sent'),
    failed: sumOf(seen, 'failed'),
    parked,
    ...(deadlineMs !== undefined && {
      oldestDeadlineAt: Number.isFinite(deadlineMs) ? timeText(deadlineMs) : null,
    }),
    breaker: breakerText(seen),
    ...(lastError !== undefined && { lastError }),
  }
}

function columnsFor(hasSeveral: boolean): Column<ClientRow>[] {
  return [
    { title: 'CLIENT', cell: ({ clientId }) => clientId },
    ...(hasSeveral
      ? [{ title: 'ISSUER', cell: ({ issuer }: ClientRow) => issuer, isProse: true as const }]
      : []),
    { title: 'STATE', cell: ({ state }) => state },
    { title: 'SENT', cell: ({ sent }) => sent, alignment: 'right' },
    { title: 'FAILED', cell: ({ failed }) => failed, alignment: 'right' },
    { title: 'PARKED', cell: ({ parked }) => parked, alignment: 'right' },
    {
      title: 'OLDEST DEADLINE',
      cell: ({ oldestDeadlineAt }) => (oldestDeadlineAt === null ? 'stands still' : oldestDeadlineAt),
      isWhole: true,
    },
    { title: 'BREAKER', cell: ({ breaker }) => breaker },
    { title: 'LAST ERROR', cell: ({ lastError }) => lastError, isProse: true },
  ]
}
