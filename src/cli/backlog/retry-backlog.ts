import type { Command } from 'commander'
import { layout } from '../../config/config.ts'
import { systemClock } from '../../lib/clock.ts'
import { RelayFault } from '../../lib/errors.ts'
import { RedisBacklogOperations } from '../../redis/redis-backlog-operations.ts'
import { RedisBacklogView } from '../../redis/redis-backlog-view.ts'
import { id, parseIssuer } from '../arguments.ts'
import { noteOtherMode } from '../other-mode.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { siteLayout, withRedis } from '../with-redis.ts'

interface Options {
  readonly issuer?: string
  readonly session?: string
  readonly all?: boolean
  readonly json?: boolean
}

interface RetryRow extends Record<string, unknown> {
  readonly clientId: string
  readonly issuer: string
  /** Made due now. */
  readonly due: number
  /** In the hands of a replica, and left to it. */
  readonly held: number
}

const columns: readonly Column<RetryRow>[] = [
  { title: 'CLIENT', cell: ({ clientId }) => clientId },
  { title: 'DUE NOW', cell: ({ due }) => due, alignment: 'right' },
  { title: 'HELD BY A RELAY', cell: ({ held }) => held, alignment: 'right' },
]

/** RPs that `--all` looks at. */
const RPS_MAX = 100_000

export function addRetryBacklog(backlog: Command): void {
  reads(backlog.command('retry'), siteLayout)
    .description('make parked deliveries due now, except those that a relay holds')
    .argument('[client]', 'the RP', id('<client>'))
    .option('--all', 'every RP')
    .option('--issuer <issuer>', 'issuer of the client (default: the only one)', parseIssuer)
    .option('--session <id>', 'only those of this session', id('--session'))
    .option('--json', 'one line of JSON per RP')
    .addHelpText('after', '\nExamples:\n  $ logout-relay backlog retry shop')
    .action(retryBacklog)
}

async function retryBacklog(client: string | undefined, options: Options): Promise<void> {
  if ((client === undefined) === (options.all !== true)) {
    throw new RelayFault('LR_USAGE', '<client>: give either an RP or --all')
  }
  const output = new Output(options.json === true)
  await withRedis(options.issuer, async ({ issuer, keys, redis }) => {
    const view = new RedisBacklogView(redis, keys)
    const operations = new RedisBacklogOperations(redis, keys)
    await noteOtherMode(output, redis, keys)
    const rows: RetryRow[] = []
    for (const rpKey of client === undefined ? await rpsOf(view, issuer) : [`${issuer}|${client}`]) {
      let [due, held] = [0, 0]
      for await (const members of view.members(rpKey, options.session)) {
        const done = await operations.makeDue(rpKey, members, systemClock.now())
        due += done.due
        held += done.held
      }
      if (due + held > 0) rows.push({ clientId: rpKey.slice(issuer.length + 1), issuer, due, held })
    }
    if (rows.length === 0) return output.fail('no such delivery is parked')
    output.rows(columns, rows, '')
    output.note(
      `an RP with an open breaker gets its logouts after the next probe, within ${layout.delivery.breaker.cooldownMaxMs}`,
    )
  })
}

async function rpsOf(view: RedisBacklogView, issuer: string): Promise<string[]> {
  const sizes = await view.sizes(RPS_MAX)
  return sizes.map(({ rpKey }) => rpKey).filter((rpKey) => rpKey.startsWith(`${issuer}|`))
}
