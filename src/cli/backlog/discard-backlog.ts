import type { Command } from 'commander'
import { type Layout, layout, readConfigPart } from '../../config/config.ts'
import type { ParkedDelivery } from '../../delivery/backlog.ts'
import { type DiscardOptions, discard } from '../../delivery/discard.ts'
import { FittingLog } from '../../delivery/fitting-log.ts'
import { shadowedOf } from '../../events/outcome.ts'
import { KafkaOutcomeLog } from '../../kafka/kafka-outcome-log.ts'
import { systemClock } from '../../lib/clock.ts'
import { RedisBacklog } from '../../redis/redis-backlog.ts'
import { RedisBacklogOperations } from '../../redis/redis-backlog-operations.ts'
import { RedisBacklogView } from '../../redis/redis-backlog-view.ts'
import { RedisRegistry } from '../../redis/redis-registry.ts'
import { id, parseIssuer } from '../arguments.ts'
import { kafkaClient, openKafka, reachable } from '../backends.ts'
import { confirm } from '../confirm.ts'
import { EXIT_CODE } from '../exit-code.ts'
import { noteOtherMode } from '../other-mode.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { siteLayout, withRedis } from '../with-redis.ts'

interface Options {
  readonly issuer?: string
  readonly session?: string
  readonly yes?: boolean
  readonly json?: boolean
}

interface DiscardedRow extends Record<string, unknown> {
  readonly sessionId: string
  readonly oidcSessionId: string
  readonly attempts: number
  readonly triggerId: string
}

const columns: readonly Column<DiscardedRow>[] = [
  { title: 'SESSION', cell: ({ sessionId }) => sessionId },
  { title: 'OIDC SESSION', cell: ({ oidcSessionId }) => oidcSessionId },
  { title: 'ATTEMPTS', cell: ({ attempts }) => attempts, alignment: 'right' },
  { title: 'TRIGGER', cell: ({ triggerId }) => triggerId },
]

const discardLayout = {
  kafka: { ...kafkaClient, outcomeTopic: layout.kafka.outcomeTopic },
  leaseMs: layout.delivery.leaseMs,
  mode: layout.mode,
  registry: layout.registry,
} as const satisfies Layout

/** Held under one lease: they must be settled before it is over. */
const BATCH = 250
/** Lines for people; a script gets all. */
const ROWS_SHOWN_MAX = 50

export function addDiscardBacklog(backlog: Command): void {
  reads(backlog.command('discard'), discardLayout, siteLayout)
    .description('give up parked deliveries of an RP: each fails with reason discarded')
    .argument('<client>', 'the RP', id('<client>'))
    .option('--issuer <issuer>', 'issuer of the client (default: the only one)', parseIssuer)
    .option('--session <id>', 'only those of this session', id('--session'))
    .option('--yes', 'do not ask; required without a terminal')
    .option('--json', 'one line of JSON per delivery')
    .addHelpText('after', '\nExamples:\n  $ logout-relay backlog discard shop --session iPOqb3da')
    .action(discardBacklog)
}

async function discardBacklog(client: string, options: Options): Promise<void> {
  const output = new Output(options.json === true)
  const config = readConfigPart(discardLayout)
  await withRedis(options.issuer, async ({ issuer, keys, redis }) => {
    const view = new RedisBacklogView(redis, keys)
    const rpKey = `${issuer}|${client}`
    await noteOtherMode(output, redis, keys, (other) => other.size(rpKey))
    const { session } = options
    const size =
      session === undefined
        ? await view.size(rpKey)
        : (await view.ofSession(rpKey, session, systemClock.now())).length
    if (size === 0) {
      return output.fail(`no such delivery is parked for ${client} of ${issuer}`)
    }
    const question = `Give up ${size} parked deliveries for ${client}? The RP will get no logout.`
    if (!(await confirm(question, options.yes))) {
      output.note('nothing was discarded')
      process.exitCode = EXIT_CODE.failed
      return
    }
    const { kafka, topics } = await openKafka(config.kafka)
    const log = new KafkaOutcomeLog(kafka, topics)
    const fitting = new FittingLog(log, ({ topic }) => output.note(`an outcome was cut to fit into ${topic}`))
    try {
      const operations = new RedisBacklogOperations(redis, keys)
      const stages: DiscardOptions = {
        log: { append: (records) => reachable('Kafka', fitting.append(records)) },
        ...(config.mode === 'shadow' && { outcomeOf: shadowedOf }),
        outcomeTopic: config.kafka.outcomeTopic,
        backlog: new RedisBacklog(redis, keys),
        registry: new RedisRegistry({ ...config.registry, keys, mode: config.mode, redis }),
      }
      const shown: DiscardedRow[] = []
      let count = 0
      let held = 0
      const take = async (members: readonly string[]): Promise<number> => {
        const now = systemClock.now()
        const found = await operations.lease(rpKey, members, now, now + config.leaseMs)
        const rows = (await discard(found.leased, stages)).map(rowOf)
        count += rows.length
        if (output.isJson) for (const row of rows) output.json(row)
        else shown.push(...rows.slice(0, ROWS_SHOWN_MAX - shown.length))
        return found.held
      }
      for await (const page of view.members(rpKey, session)) {
        for (let i = 0; i < page.length; i += BATCH) {
          const members = page.slice(i, i + BATCH)
          // Once more: of two deliveries for one registration only one can be held at a time.
          if ((await take(members)) > 0) held += await take(members)
        }
        output.redraw(`${count} of ${size} discarded`)
      }
      output.redraw('')
      if (!output.isJson) output.rows(columns, shown, 'nothing was discarded')
      if (count > shown.length && !output.isJson) output.line(`… ${count} in total`)
      if (held > 0) {
        output.fail(`${held} left, because a relay holds them; try again in a moment`)
      }
    } finally {
      await log.close()
      await topics.close()
    }
  })
}

function rowOf({ sessionId, oidcSessionId, state }: ParkedDelivery): DiscardedRow {
  return { sessionId, oidcSessionId, attempts: state.attempts, triggerId: state.cause.origin.id }
}
