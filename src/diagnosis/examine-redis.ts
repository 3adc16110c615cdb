import { messageOf } from '../errors.ts'
import { checkRedis } from './all-checks.ts'
import type { DoctorCheck } from './doctor-checks.ts'
import type { Expectations, RedisFacts } from './facts.ts'
import { ok, problem } from './judgement.ts'
import { type Observation, Observations } from './observation.ts'
import {
  judgeEpoch,
  judgeLatency,
  judgeMemory,
  judgeTransport,
  judgeVersion,
  soundRedis,
} from './redis-judgements.ts'
import type { RedisServerFacts } from './redis-server-facts.ts'
import { shownRedisUrl } from './shown-uri.ts'

/** A Redis that answers. Questions throw when it does not any more. */
export interface ExaminedRedis {
  facts(): Promise<RedisFacts>
  serverFacts(): Promise<RedisServerFacts>
}

export interface RedisExamination {
  readonly redisUrl: string
  /** A password is set beside the URL. */
  readonly hasPassword: boolean
  readonly prefix: string
  readonly expected: Expectations
  /** Throws when it does not answer, or not to this user. */
  readonly open: () => Promise<ExaminedRedis>
}

/** Looks at the server and at what is stored there. Never throws. */
export async function examineRedis({
  redisUrl,
  hasPassword,
  prefix,
  expected,
  open,
}: RedisExamination): Promise<readonly Observation[]> {
  const notes = new Observations('redis')
  notes.note('redis-tls', judgeTransport(redisUrl, hasPassword))
  const redis = await open().catch((error: unknown) => messageOf(error))
  if (typeof redis === 'string') {
    const found = `${redis} (${shownRedisUrl(redisUrl)})`
    notes.note(
      'redis-reachable',
      problem(found, 'see whether it runs, and whether REDIS_URL names it, its user and its password'),
    )
    notes.noteUnknown('Redis could not be reached')
    return notes.all
  }
  notes.note('redis-reachable', ok(`${shownRedisUrl(redisUrl)} answers`))
  await notes.look(['redis-version', 'redis-latency', 'redis-memory', 'redis-epoch'], async () => {
    const { version, pingMs, memory, epoch } = await redis.serverFacts()
    notes.note('redis-version', judgeVersion(version))
    notes.note('redis-latency', judgeLatency(pingMs))
    notes.note('redis-memory', judgeMemory(memory))
    notes.note('redis-epoch', judgeEpoch(prefix, epoch))
  })
  const checks = Object.keys(soundRedis) as DoctorCheck[]
  await notes.look(checks, async () => {
    const facts = await redis.facts()
    const findings = checkRedis(facts, expected)
    for (const finding of findings) notes.noteFinding(finding)
    for (const check of checks) {
      const sound = soundRedis[check]?.(facts)
      if (sound !== undefined && !findings.some((it) => it.check === check)) notes.note(check, ok(sound))
    }
  })
  return notes.all
}
