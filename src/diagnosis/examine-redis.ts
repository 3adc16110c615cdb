import { messageOf } from '../lib/errors.ts'
import { lookAt } from './check.ts'
import { Examination, type ExaminedFinding } from './examination.ts'
import type { Expectations, RedisFacts, RedisServerFacts } from './facts.ts'
import { error, ok } from './finding.ts'
import { checkTransport, redisChecks, redisServerChecks } from './redis-server.ts'
import { shownRedisUrl } from './shown-uri.ts'

/** A Redis that answers. Questions throw when it does not any more. */
export interface ExaminedRedis {
  read(): Promise<RedisFacts>
  readServer(): Promise<RedisServerFacts>
}

export interface RedisExamination {
  readonly redisUrl: string
  /** A password is set beside the URL. */
  readonly hasPassword: boolean
  readonly expected: Expectations
  /** Throws when it does not answer, or not to this user. */
  readonly open: () => Promise<ExaminedRedis>
}

/** Looks at the server and at what is stored there. Never throws. */
export async function examineRedis({
  redisUrl,
  hasPassword,
  expected,
  open,
}: RedisExamination): Promise<readonly ExaminedFinding[]> {
  const notes = new Examination('redis')
  notes.note('redis-tls', checkTransport(redisUrl, hasPassword))
  const redis = await open().catch((reason: unknown) => messageOf(reason))
  if (typeof redis === 'string') {
    const remedy = 'check that it runs, and that REDIS_URL has the right address, user and password'
    notes.note('redis-reachable', error(`${redis} (${shownRedisUrl(redisUrl)})`, remedy))
    notes.noteUnknown('Redis could not be reached')
    return notes.all
  }
  notes.note('redis-reachable', ok(`${shownRedisUrl(redisUrl)} answers`))
  await notes.make(lookAt(redisServerChecks, () => redis.readServer()))
  await notes.make(lookAt(redisChecks(expected), () => redis.read()))
  return notes.all
}
