import type { Command } from 'commander'
import { systemClock } from '../../lib/clock.ts'
import { durationText } from '../../lib/duration-text.ts'
import { RedisBacklogView, type SeenDelivery } from '../../redis/redis-backlog-view.ts'
import { RedisSessionView, type SessionState } from '../../redis/redis-session-view.ts'
import { id, parseId, parseIssuer } from '../arguments.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { siteLayout, withRedis } from '../with-redis.ts'
import { type RegistrationRow, registrationRows } from './registration-rows.ts'

const columns: readonly Column<RegistrationRow>[] = [
  { title: 'CLIENT', cell: ({ clientId }) => clientId },
  { title: 'OIDC SESSION', cell: ({ oidcSessionId }) => oidcSessionId },
  { title: 'USER', cell: ({ userId }) => userId },
  { title: 'STATE', cell: ({ state }) => state, isProse: true },
  { title: 'REGISTERED', cell: ({ registeredAt }) => registeredAt, isWhole: true },
  { title: 'URI', cell: ({ backchannelLogoutUri }) => backchannelLogoutUri, isProse: true },
]

export function addShowSession(sessions: Command): void {
  reads(sessions.command('show'), siteLayout)
    .description('show one session in Redis: its registrations, its ending and what is settled')
    .argument('<session>', 'id of the session', id('<session>'))
    .option('--issuer <issuer>', 'issuer of the session (default: the only one)', parseIssuer)
    .option('--json', 'one line of JSON')
    .addHelpText('after', '\nExamples:\n  $ logout-relay sessions show iPOqb3da')
    .action(showSession)
}

async function showSession(
  sessionId: string,
  { issuer: given, json }: { issuer?: string; json?: boolean },
): Promise<void> {
  const output = new Output(json === true)
  await withRedis(given, async ({ issuer, keys, redis }) => {
    const view = new RedisSessionView(redis, keys)
    const [state] = (await view.find(issuer, [parseId(sessionId, '<session>')])) as [SessionState]
    const nowMs = systemClock.now()
    const parked = await parkedOf(state, new RedisBacklogView(redis, keys), nowMs)
    const rows = registrationRows(state, parked, nowMs)
    const { ended, expiresInMs } = state
    if (rows.length === 0 && ended === undefined) {
      return output.fail(
        `Redis has no session ${sessionId} of ${issuer}; "logout-relay trace" searches the topic`,
      )
    }
    if (output.isJson) {
      output.json({
        issuer,
        sessionId,
        expiresInMs: expiresInMs ?? null,
        ended: ended ?? null,
        registrations: rows,
      })
      return
    }
    for (const line of heading(state)) output.line(line)
    output.rows(columns, rows, 'no registrations: nothing is owed')
  })
}

function heading({ sessionId, issuer, ended, expiresInMs }: SessionState): string[] {
  const lines = [`session   ${sessionId}`, `issuer    ${issuer}`]
  if (expiresInMs !== undefined) lines.push(`expires   in ${durationText(expiresInMs)}`)
  if (ended === undefined) return [...lines, 'ended     no', '']
  const { isCut, origin, settled } = ended
  const by =
    origin === undefined
      ? 'yes, by an unknown trigger'
      : `yes, by ${origin.id} (${origin.topic}/${origin.partition}/${origin.offset})`
  return [
    ...lines,
    `ended     ${by}, kept for another ${durationText(ended.expiresInMs)}`,
    `settled   ${settled.length === 0 ? 'nothing yet' : settled.join(', ')}${isCut === true ? ', and more' : ''}`,
    '',
  ]
}

/** The parked deliveries of a session, in the backlogs of the RPs that are registered under it. */
export async function parkedOf(
  { issuer, sessionId, registrations, broken }: SessionState,
  backlog: RedisBacklogView,
  nowMs: number,
): Promise<SeenDelivery[]> {
  const clients = [...registrations, ...broken.map(({ partial }) => partial)].map(({ clientId }) => clientId)
  const found: SeenDelivery[] = []
  for (const clientId of new Set(clients)) {
    if (clientId === undefined) continue
    found.push(...(await backlog.ofSession(`${issuer}|${clientId}`, sessionId, nowMs)))
  }
  return found
}
