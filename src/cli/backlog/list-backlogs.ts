import type { Command } from 'commander'
import { layout, readConfigPart } from '../../config/config.ts'
import { systemClock } from '../../lib/clock.ts'
import { timeText } from '../../lib/time-text.ts'
import { RedisBacklogView } from '../../redis/redis-backlog-view.ts'
import { RedisKeys } from '../../redis/redis-keys.ts'
import { count } from '../arguments.ts'
import { goByClockOf, openRedis } from '../backends.ts'
import { noteOtherMode } from '../other-mode.ts'
import { type Column, Output } from '../output.ts'
import { reads } from '../reads.ts'
import { dueText } from '../sessions/registration-rows.ts'

interface BacklogRow extends Record<string, unknown> {
  readonly issuer: string
  readonly clientId: string
  readonly size: number
  readonly oldestDueAt: string
  readonly oldestDueMs: number
  readonly isPaused?: boolean
}

const LIMIT = 100
const LIMIT_MAX = 100_000

export function addListBacklogs(backlog: Command): void {
  reads(backlog.command('list'), layout.redis)
    .description('list RPs with parked deliveries, earliest due first')
    .option('--limit <count>', 'maximum number of RPs', count('--limit', LIMIT_MAX), LIMIT)
    .option('--json', 'one line of JSON per RP')
    .addHelpText('after', '\nExamples:\n  $ logout-relay backlog list')
    .action(listBacklogs)
}

async function listBacklogs({ limit, json }: { limit: number; json?: boolean }): Promise<void> {
  const output = new Output(json === true)
  const config = readConfigPart({ mode: layout.mode, redis: layout.redis })
  const redis = await openRedis(config.redis)
  try {
    await goByClockOf(redis)
    const keys = new RedisKeys(config.redis.prefix, config.mode)
    const view = new RedisBacklogView(redis, keys)
    const found = await view.sizes(limit + 1)
    const nowMs = systemClock.now()
    const rows = found.slice(0, limit).map(({ isPaused, rpKey, size, oldestDueMs }): BacklogRow => {
      const bar = rpKey.indexOf('|')
      return {
        issuer: rpKey.slice(0, bar),
        clientId: rpKey.slice(bar + 1),
        size,
        oldestDueAt: timeText(oldestDueMs),
        oldestDueMs,
        ...(isPaused && { isPaused }),
      }
    })
    output.rows(columnsAt(nowMs), rows, 'nothing is parked')
    if (found.length > limit) output.note(`there are more than ${limit}; set --limit to list more`)
    if (rows.some(({ isPaused }) => isPaused !== true)) {
      output.note('why an RP is not told yet: see logout-relay clients list --failing')
    }
    await noteOtherMode(output, redis, keys)
  } finally {
    redis.close()
  }
}

function columnsAt(nowMs: number): Column<BacklogRow>[] {
  return [
    { title: 'CLIENT', cell: ({ clientId }) => clientId },
    { title: 'PARKED', cell: ({ size }) => size, alignment: 'right' },
    {
      title: 'NEXT DUE',
      cell: ({ isPaused, oldestDueMs }) => (isPaused ? 'paused' : dueText(oldestDueMs, nowMs)),
    },
    { title: 'ISSUER', cell: ({ issuer }) => issuer },
  ]
}
