import { counted } from '../lib/counted.ts'
import { RedisBacklogView } from '../redis/redis-backlog-view.ts'
import type { RedisConnection } from '../redis/redis-connection.ts'
import { RedisKeys } from '../redis/redis-keys.ts'
import type { Output } from './output.ts'

const RPS_MAX = 100_000

/**
 * Says which mode a command has looked at, where somebody may take it for all there is: what relays in the other one have
 * parked stands elsewhere. `sizeIn` counts of that what the command is about. Throws when Redis is out of reach.
 */
export async function noteOtherMode(
  output: Output,
  redis: RedisConnection,
  keys: RedisKeys,
  sizeIn: (view: RedisBacklogView) => Promise<number> = wholeSize,
): Promise<void> {
  const other = new RedisKeys(keys.prefix, keys.mode === 'live' ? 'shadow' : 'live')
  const size = await sizeIn(new RedisBacklogView(redis, other))
  if (keys.mode === 'live' && size === 0) return
  const parked = counted(size, 'delivery', 'deliveries')
  output.note(
    `this is what relays in ${keys.mode} mode hold; those in ${other.mode} mode have parked ${parked}, which MODE=${other.mode} shows`,
  )
}

async function wholeSize(view: RedisBacklogView): Promise<number> {
  const sizes = await view.sizes(RPS_MAX)
  return sizes.reduce((sum, { size }) => sum + size, 0)
}
