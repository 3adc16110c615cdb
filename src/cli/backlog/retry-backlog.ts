import type { Command } from 'commander'
import { RelayFault } from '../../lib/errors.ts'
import { RedisBacklogOperations } from '../../redis/redis-backlog-operations.ts'
import { RedisBacklogView } from '../../redis/redis-backlog-view.ts'
import { id, parseIssuer } from '../arguments.ts'
import { EXIT_CODE } from '../exit-code.ts'
import { type Column, Output } from '../output.ts'
import { withRedis } from '../with-redis.ts'

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
  { title: 'LEFT TO A RELAY', cell: ({ held }) => held, alignment: 'right' },
]

/** RPs that `--all` looks at. */
const RPS_MAX = 100_000

export function addRetryBacklog(backlog: Command): void {
  backlog
    .command('retry')
    .description('make parked deliveries due now; those that a relay is at are left to it')
    .argument('[client]', 'the RP', id('<client>'))
    .option('--all', 'every RP')
    .option('--issuer <issuer>', 'its issuer, where there are several', parseIssuer)
    .option('--session <id>', 'those of this session alone', id('--session'))
    .option('--json', 'one line of JSON per RP')
    .addHelpText('after', '\nExamples:\n  $ logout-relay backlog retry shop')
    .action(retryBacklog)
}

async function retryBacklog(client: string | undefined, options: Options): Promise<void> {
  if ((client === undefined) === (options.all !== true)) {
    throw new RelayFault('LR_USAGE', '<client>: name an RP, or give --all; not both')
  }
  const output = new Output(options.json === true)
  await withRedis(options.issuer, async ({ issuer, keys, redis }) => {
    const view = new RedisBacklogView(redis, keys)
    const operations = new RedisBacklogOperations(redis, keys)
    const rows: RetryRow[] = []
    for (const rpKey of client === undefined ? await rpsOf(view, issuer) : [`${issuer}|${client}`]) {
      let [due, held] = [0, 0]
      for await (const members of view.members(rpKey, options.session)) {
        const done = await operations.makeDue(rpKey, members, Date.now())
        due += done.due
        held += done.held
      }
      if (due + held > 0) rows.push({ clientId: rpKey.slice(issuer.length + 1), issuer, due, held })
    }
    output.rows(columns, rows, 'nothing of that is parked')
    if (rows.length === 0) process.exitCode = EXIT_CODE.failed
    else
      output.note('an RP whose breaker is open is told after its next probe, within BREAKER_MAX_COOLDOWN_MS')
  })
}

async function rpsOf(view: RedisBacklogView, issuer: string): Promise<string[]> {
  const sizes = await view.sizes(RPS_MAX)
  return sizes.map(({ rpKey }) => rpKey).filter((rpKey) => rpKey.startsWith(`${issuer}|`))
}
