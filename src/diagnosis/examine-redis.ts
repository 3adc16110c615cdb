import { codeOf, messageOf } from '../lib/errors.ts'
import { lookAt } from './check.ts'
import { Examination, type ExaminedFinding } from './examination.ts'
import type { Expectations, RedisFacts, RedisServerFacts } from './facts.ts'
import { error, type Found, ok } from './finding.ts'
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
  const redis = await open().catch((reason: unknown) => unreachable(reason, redisUrl))
  if ('severity' in redis) {
    notes.note('redis-reachable', redis)
    notes.noteUnknown('Redis could not be reached')
    return notes.all
  }
  notes.note('redis-reachable', ok(`${shownRedisUrl(redisUrl)} answers`))
  await notes.make(lookAt(redisServerChecks, () => redis.readServer()))
  await notes.make(lookAt(redisChecks(expected), () => redis.read()))
  return notes.all
}

/** Why it does not answer, or not to this user: a refusal says itself what to do about it. */
function unreachable(reason: unknown, redisUrl: string): Found {
  const shown = shownRedisUrl(redisUrl)
  const { cause } = reason as Error
  if (codeOf(cause) === 'LR_REFUSED') {
    const [what, ...remedy] = messageOf(cause)
      .replace(/^Redis: /, '')
      .split('; ')
    return error(`Redis could not be reached: ${what} (${shown})`, remedy.join('; '))
  }
  const remedy = 'check that it runs, and that REDIS_URL has the right address, user and password'
  return error(`${messageOf(reason)} (${shown})`, remedy)
}
