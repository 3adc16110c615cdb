import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { ClientSummary, SummaryStore } from '../delivery/relay-summary.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'

/** A relay that writes none for so long is gone. */
const KEPT_MS = 30_000
const RELAYS_MAX = 1_000

const count = z.int().nonnegative()
const summarySchema = z.array(
  z.object({
    rpKey: z.string(),
    sent: count,
    failed: count,
    failedAtMs: z.number().optional(),
    lastError: z.string().optional(),
    openSinceMs: z.number().optional(),
  }),
)

/** What the relays have seen of RPs: a string for each relay, and an index of relays by the time of writing. */
export class RedisRelaySummaries implements SummaryStore {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys
  readonly #relay = randomUUID()

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis
    this.#keys = keys
  }

  async write(summary: readonly ClientSummary[], nowMs: number): Promise<void> {
    const relays = this.#keys.relays()
    await this.#redis.pipeline([
      ['SET', this.#keys.relay(this.#relay), JSON.stringify(summary), 'PX', KEPT_MS],
      ['ZREMRANGEBYSCORE', relays, '-inf', nowMs - 2 * KEPT_MS],
      ['ZADD', relays, nowMs, this.#relay],
    ])
  }

  async remove(): Promise<void> {
    await this.#redis.pipeline([
      ['DEL', this.#keys.relay(this.#relay)],
      ['ZREM', this.#keys.relays(), this.#relay],
    ])
  }

  /** One for each relay that runs. What cannot be read is left out. Throws when Redis is out of reach. */
  async read(): Promise<readonly (readonly ClientSummary[])[]> {
    const found = await this.#redis.command('ZRANGE', this.#keys.relays(), 0, RELAYS_MAX - 1)
    const texts = await this.#redis.tolerantPipeline(
      (found as string[]).map((relay) => ['GET', this.#keys.relay(relay)]),
    )
    return texts.flatMap((text) => (typeof text === 'string' ? readSummary(text) : []))
  }
}

function readSummary(text: string): ClientSummary[][] {
  try {
    return [summarySchema.parse(JSON.parse(text)) as ClientSummary[]]
  } catch {
    return []
  }
}
