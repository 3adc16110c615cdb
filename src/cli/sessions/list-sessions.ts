import type { Command } from 'commander'
import { systemClock } from '../../lib/clock.ts'
import { durationText } from '../../lib/duration-text.ts'
import { RedisSessionView, type SessionState } from '../../redis/redis-session-view.ts'
import { count, id, parseIssuer } from '../arguments.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { siteLayout, withRedis } from '../with-redis.ts'
import { isEndedBy } from './registration-rows.ts'

interface Options {
  readonly issuer?: string
  readonly user?: string
  readonly client?: string
  readonly limit: number
  readonly json?: boolean
}

interface SessionRow extends Record<string, unknown> {
  readonly issuer: string
  readonly sessionId: string
  readonly userIds: readonly string[]
  readonly clientIds: readonly string[]
  readonly registrations: number
  readonly hasEnded: boolean
  /** It ended in shadow mode, and nothing of it is owed. */
  readonly isShadowed?: true
  readonly expiresInMs: number | null
}

const LIMIT = 100
const LIMIT_MAX = 100_000
const NAMES_SHOWN = 4

const columns: readonly Column<SessionRow>[] = [
  { title: 'SESSION', cell: ({ sessionId }) => sessionId },
  { title: 'USER', cell: ({ userIds }) => shortList(userIds) },
  { title: 'REGISTRATIONS', cell: ({ registrations }) => registrations, alignment: 'right' },
  { title: 'CLIENTS', cell: ({ clientIds }) => shortList(clientIds), isProse: true },
  { title: 'STATE', cell: stateText },
  {
    title: 'EXPIRES IN',
    cell: ({ expiresInMs }) => (expiresInMs === null ? 'never' : durationText(expiresInMs)),
  },
]

export function addListSessions(sessions: Command): void {
  reads(sessions.command('list'), siteLayout)
    .description('list sessions with registrations')
    .option('--issuer <issuer>', 'sessions of this issuer (default: the only one)', parseIssuer)
    .option('--user <id>', 'sessions of this user', id('--user'))
    .option('--client <id>', 'sessions with a registration of this RP', id('--client'))
    .option('--limit <count>', 'maximum number of sessions', count('--limit', LIMIT_MAX), LIMIT)
    .option('--json', 'one line of JSON per session')
    .addHelpText('after', '\nExamples:\n  $ logout-relay sessions list --user alice')
    .action(listSessions)
}

async function listSessions({ issuer: given, user, client, limit, json }: Options): Promise<void> {
  const output = new Output(json === true)
  await withRedis(given, async ({ issuer, isKnown, keys, redis }) => {
    const view = new RedisSessionView(redis, keys)
    const rows = new Map<string, SessionRow>()
    let hasMore = false
    look: for await (const page of user === undefined ? view.all(issuer) : pagesOf(view, issuer, user)) {
      for (const state of page) {
        if (!isWanted(state, client) || rows.has(state.sessionId)) continue
        hasMore = rows.size === limit
        if (hasMore) break look
        rows.set(state.sessionId, rowOf(state))
      }
    }
    // Whoever asks for somebody has perhaps misspelt the name; a relay without sessions is well.
    const isAskedFor = user !== undefined || client !== undefined
    if (rows.size === 0 && isAskedFor) return output.fail(`no such session of ${issuer} in Redis`)
    if (rows.size === 0 && isKnown !== true)
      return output.fail(`no session of ${issuer} in Redis, and that issuer is not configured here`)
    output.rows(columns, [...rows.values()], `no session of ${issuer} in Redis`)
    if (hasMore)
      output.note(`there are more than ${limit}; set --limit to list more, or --user or --client to filter`)
  })
}

async function* pagesOf(view: RedisSessionView, issuer: string, user: string) {
  for await (const ids of view.sessionsOf(issuer, user)) yield view.find(issuer, ids)
}

function isWanted({ registrations, broken }: SessionState, client: string | undefined): boolean {
  if (client === undefined) return registrations.length + broken.length > 0
  return [...registrations, ...broken.map(({ partial }) => partial)].some((it) => it.clientId === client)
}

function rowOf({ issuer, sessionId, registrations, broken, ended, expiresInMs }: SessionState): SessionRow {
  return {
    issuer,
    sessionId,
    userIds: [...new Set(registrations.map(({ userId }) => userId))],
    clientIds: [...new Set(registrations.map(({ clientId }) => clientId))],
    registrations: registrations.length + broken.length,
    hasEnded:
      registrations.length === 0
        ? ended !== undefined
        : registrations.some((it) => isEndedBy(ended, it, systemClock.now())),
    ...(isShadowed(registrations, broken) && { isShadowed: true }),
    expiresInMs: expiresInMs ?? null,
  }
}

function isShadowed(registrations: SessionState['registrations'], broken: SessionState['broken']): boolean {
  return (
    registrations.length > 0 && broken.length === 0 && registrations.every((it) => it.isShadowed === true)
  )
}

function stateText({ hasEnded, isShadowed }: SessionRow): string {
  if (isShadowed === true) return 'ended, shadowed'
  return hasEnded ? 'ended, owed' : 'alive'
}

function shortList(names: readonly string[]): string {
  const shown = names.slice(0, NAMES_SHOWN).join(', ')
  return names.length > NAMES_SHOWN ? `${shown}, …` : shown
}
