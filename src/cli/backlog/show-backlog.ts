import type { Command } from 'commander'
import { type Layout, layout, readConfigPart } from '../../config/config.ts'
import { systemClock } from '../../lib/clock.ts'
import { timeText } from '../../lib/time-text.ts'
import { RedisBacklogView, type SeenDelivery } from '../../redis/redis-backlog-view.ts'
import { putOffDeadline } from '../../registry/client-history.ts'
import { count, id, parseIssuer } from '../arguments.ts'
import { openIssuers } from '../clients/client-site.ts'
import { noteOtherMode } from '../other-mode.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { dueText, PAUSED } from '../sessions/registration-rows.ts'
import { siteLayout, withRedis } from '../with-redis.ts'

interface Options {
  readonly issuer?: string
  readonly session?: string
  readonly limit: number
  readonly json?: boolean
}

interface ParkedRow extends Record<string, unknown> {
  readonly sessionId: string
  readonly oidcSessionId: string
  readonly attempts: number
  readonly dueAt: string
  /** Null while it stands still. */
  readonly deadlineAt: string | null
  readonly isHeld: boolean
  readonly isPaused?: boolean
  readonly lastStatus?: number
  readonly lastError?: string
  readonly triggerId: string
}

const deadlineLayout = { deadlineMs: layout.delivery.retry.deadlineMs } as const satisfies Layout

const LIMIT = 20
const LIMIT_MAX = 10_000

export function addShowBacklog(backlog: Command): void {
  reads(backlog.command('show'), siteLayout, deadlineLayout)
    .description('show the parked deliveries of an RP, earliest due first')
    .argument('<client>', 'the RP', id('<client>'))
    .option('--issuer <issuer>', 'issuer of the client (default: the only one)', parseIssuer)
    .option('--session <id>', 'only those of this session', id('--session'))
    .option('--limit <count>', 'maximum number of deliveries', count('--limit', LIMIT_MAX), LIMIT)
    .option('--json', 'one line of JSON per delivery')
    .addHelpText('after', '\nExamples:\n  $ logout-relay backlog show shop --limit 5')
    .action(showBacklog)
}

async function showBacklog(client: string, options: Options): Promise<void> {
  const output = new Output(options.json === true)
  await withRedis(options.issuer, async ({ issuer, keys, redis }) => {
    const view = new RedisBacklogView(redis, keys)
    const rpKey = `${issuer}|${client}`
    await noteOtherMode(output, redis, keys, (other) => other.size(rpKey))
    const nowMs = systemClock.now()
    const { session, limit } = options
    const found =
      session === undefined
        ? await view.first(rpKey, limit, nowMs)
        : (await view.ofSession(rpKey, session, nowMs)).slice(0, limit)
    if (found.length === 0) {
      return output.fail(
        `nothing is parked for ${client} of ${issuer}${session === undefined ? '' : ' in that session'}`,
      )
    }
    const { deadlineMs } = readConfigPart(deadlineLayout)
    const timeMs = (await openIssuers())?.get(issuer)?.deadlineMs ?? deadlineMs
    output.rows(
      columnsAt(nowMs),
      found.map((it) => rowOf(it, timeMs)),
      '',
    )
    const size = await view.size(rpKey)
    if (session === undefined && size > found.length) {
      output.note(`${found.length} of ${size} parked deliveries; set --limit to list more`)
    }
  })
}

/** `timeMs`: how long a delivery may take. */
function rowOf(seen: SeenDelivery, timeMs: number): ParkedRow {
  const { sessionId, oidcSessionId, dueMs, isPaused, leasedUntilMs, pauses, state } = seen
  const { attempts, lastStatus, lastError, cause } = state
  const deadlineMs = putOffDeadline(pauses, state.deadlineMs, timeMs)
  return {
    sessionId,
    oidcSessionId,
    attempts,
    dueAt: timeText(dueMs),
    deadlineAt: Number.isFinite(deadlineMs) ? timeText(deadlineMs) : null,
    isHeld: leasedUntilMs !== undefined,
    ...(isPaused && { isPaused }),
    ...(lastStatus !== undefined && { lastStatus }),
    ...(lastError !== undefined && { lastError }),
    triggerId: cause.origin.id,
  }
}

function columnsAt(nowMs: number): Column<ParkedRow>[] {
  return [
    { title: 'SESSION', cell: ({ sessionId }) => sessionId },
    { title: 'OIDC SESSION', cell: ({ oidcSessionId }) => oidcSessionId, isProse: true },
    { title: 'ATTEMPTS', cell: ({ attempts }) => attempts, alignment: 'right' },
    {
      title: 'DUE',
      cell: ({ dueAt, isHeld, isPaused }) => {
        if (isHeld) return 'held by a relay'
        return isPaused ? PAUSED : dueText(Date.parse(dueAt), nowMs)
      },
    },
    {
      title: 'DEADLINE',
      cell: ({ deadlineAt }) => deadlineAt ?? 'stands still',
      isWhole: true,
      isProse: true,
    },
    { title: 'LAST ERROR', cell: ({ lastError }) => lastError, isProse: true },
  ]
}
