import type { Command } from 'commander'
import { layout, readConfigPart } from '../../config/config.ts'
import { counted } from '../../lib/counted.ts'
import { RedisRegistry } from '../../redis/redis-registry.ts'
import { RedisSessionView, type SessionState } from '../../redis/redis-session-view.ts'
import { id, parseIssuer } from '../arguments.ts'
import { confirm } from '../confirm.ts'
import { EXIT_CODE } from '../exit-code.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { siteLayout, withRedis } from '../with-redis.ts'

interface Options {
  readonly issuer?: string
  readonly oidcSession?: string
  readonly client?: string
  readonly yes?: boolean
  readonly json?: boolean
}

interface RemovedRow extends Record<string, unknown> {
  readonly sessionId: string
  readonly oidcSessionId: string
  readonly clientId?: string
  readonly userId?: string
}

const columns: readonly Column<RemovedRow>[] = [
  { title: 'OIDC SESSION', cell: ({ oidcSessionId }) => oidcSessionId },
  { title: 'CLIENT', cell: ({ clientId }) => clientId },
  { title: 'USER', cell: ({ userId }) => userId },
]

export function addRemoveSession(sessions: Command): void {
  reads(sessions.command('remove'), layout.registry, siteLayout)
    .description('remove registrations of a session from Redis; their RPs get NO logout')
    .argument('<session>', 'id of the session', id('<session>'))
    .option('--issuer <issuer>', 'issuer of the session (default: the only one)', parseIssuer)
    .option('--oidc-session <id>', 'only this registration', id('--oidc-session'))
    .option('--client <id>', 'only those of this RP', id('--client'))
    .option('--yes', 'do not ask; required without a terminal')
    .option('--json', 'one line of JSON per registration')
    .addHelpText('after', '\nExamples:\n  $ logout-relay sessions remove iPOqb3da --client shop')
    .action(removeSession)
}

async function removeSession(sessionId: string, options: Options): Promise<void> {
  const output = new Output(options.json === true)
  const lifetimes = readConfigPart(layout.registry)
  await withRedis(options.issuer, async ({ issuer, keys, redis }) => {
    const view = new RedisSessionView(redis, keys)
    const [state] = (await view.find(issuer, [sessionId])) as [SessionState]
    const rows = chosen(state, options)
    if (rows.length === 0) {
      return output.fail(`Redis holds no such registration of session ${sessionId} of ${issuer}`)
    }
    const question = questionOf(state, rows)
    if (!(await confirm(question, options.yes))) {
      output.note('nothing was removed')
      process.exitCode = EXIT_CODE.failed
      return
    }
    const registry = new RedisRegistry({ ...lifetimes, keys, redis })
    // As when an outcome was published: where the session has ended, a rewound topic does not bring it back.
    await registry.settle(
      rows.map(({ oidcSessionId, userId }) => ({
        issuer,
        sessionId,
        oidcSessionId,
        ...(userId !== undefined && { userId }),
      })),
    )
    output.rows(columns, rows, '')
    output.note('their RPs got no logout, and no outcome was published')
    if (state.ended === undefined) {
      output.note('the session goes on: a rebuild from the topic restores its registrations')
    }
  })
}

function chosen({ sessionId, registrations, broken }: SessionState, options: Options): RemovedRow[] {
  const rows = [
    ...registrations.map(({ oidcSessionId, clientId, userId }) => ({
      sessionId,
      oidcSessionId,
      clientId,
      userId,
    })),
    ...broken.map(({ oidcSessionId, partial: { clientId, userId } }) => ({
      sessionId,
      oidcSessionId,
      ...(clientId !== undefined && { clientId }),
      ...(userId !== undefined && { userId }),
    })),
  ]
  return rows.filter(
    ({ oidcSessionId, clientId }) =>
      (options.oidcSession === undefined || oidcSessionId === options.oidcSession) &&
      (options.client === undefined || clientId === options.client),
  )
}

function questionOf({ sessionId, ended }: SessionState, rows: readonly RemovedRow[]): string {
  const clients = [...new Set(rows.map(({ clientId }) => clientId ?? 'unknown'))].join(', ')
  const owed = ended === undefined ? '' : ' The session has ended, so this drops an owed logout;'
  const better = ended === undefined ? '' : ' "logout-relay backlog discard" does that with an outcome.'
  return `Remove ${counted(rows.length, 'registration')} of session ${sessionId} (${clients})?${owed}${better} The RPs will get no logout.`
}
