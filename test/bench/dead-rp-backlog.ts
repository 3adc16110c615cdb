import { randomUUID } from 'node:crypto'
import type { RelyingParty } from '../support/ledger/protocol.ts'
import type { BenchRun } from './bench-context.ts'
import type { Program } from './program.ts'
import { type BenchSession, ISSUER, trigger } from './workload.ts'

const SESSIONS_PER_CHUNK = 50_000
const SESSIONS_PER_PIPELINE = 1_000
const PARK_TIMEOUT_MS = 120_000
const PARK_MS_PER_DELIVERY_MAX = 1
const TOMBSTONE_MS = 3_600_000

/** As the relay would leave it: which trigger ended the session. */
export async function seedTombstones(
  { redis, place }: BenchRun,
  sessions: readonly BenchSession[],
): Promise<void> {
  for (let start = 0; start < sessions.length; start += SESSIONS_PER_PIPELINE) {
    const pipeline = redis.pipeline()
    for (const [index, { sessionId }] of sessions.slice(start, start + SESSIONS_PER_PIPELINE).entries()) {
      const origin = JSON.stringify([randomUUID(), place.topic, index % 6, start + index])
      pipeline.set(`${place.redisPrefix}:ended:{${ISSUER}|${sessionId}}`, origin, 'PX', TOMBSTONE_MS)
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error
  }
}

/** Resolves when the relay has settled every trigger, which for a dead RP means: the delivery is parked. */
export async function park(
  { kafka, place }: BenchRun,
  program: Program,
  sessions: readonly BenchSession[],
): Promise<void> {
  for (let start = 0; start < sessions.length; start += SESSIONS_PER_CHUNK) {
    const chunk = sessions.slice(start, start + SESSIONS_PER_CHUNK)
    await program.whileRunning(kafka.produce(place.topic, chunk.map(trigger)))
  }
  const timeoutMs = PARK_TIMEOUT_MS + sessions.length * PARK_MS_PER_DELIVERY_MAX
  const offsets = await kafka.endOffsets(place.topic)
  await program.whileRunning(kafka.waitForCommitted(place.topic, place.groupId, offsets, timeoutMs))
}

/** Bytes, by what Redis says of itself. */
export async function usedMemory({ redis }: BenchRun): Promise<number> {
  const bytes = /^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]
  if (bytes === undefined) throw new Error('Redis does not tell how much memory it uses')
  return Number(bytes)
}

export async function backlogSize({ redis, place }: BenchRun, { clientId }: RelyingParty): Promise<number> {
  return redis.zcard(`${place.redisPrefix}:backlog:{${ISSUER}|${clientId}}`)
}
