import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import type { Message } from 'kafkajs'
import { startRedisServer } from '../stack/redis-server.ts'
import { MovingEndpoint } from '../support/moving-endpoint.ts'
import type { BenchContext, BenchRun } from './bench-context.ts'
import { pollUntil } from './poll.ts'
import { type Program, startProgram } from './program.ts'
import { type LogLine, logLines } from './program-log.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import {
  type BenchSession,
  cloudEvent,
  deliveriesOf,
  expected,
  ISSUER,
  makeRegistrations,
  makeSessions,
  REGISTRATIONS_PER_SESSION,
  trigger,
} from './workload.ts'

/** A trigger for four registrations: 50,000 for 200,000. */
const REGISTRATIONS_PER_TRIGGER = 4
/** Of the triggers, those that end one of the registered sessions; the others are of sessions without any login. */
const ENDED_SHARE = 0.2
/** Of the ended sessions, those that Redis was lost too early for: still owed. */
const OWED_SHARE = 0.02
const SESSIONS_PER_CHUNK = 4_000
const LOOK_EVERY_MS = 200
const REBUILD_TIMEOUT_MS = 300_000
const SETTLE_TIMEOUT_MS = 10_000
const SESSIONS_PER_PIPELINE = 1_000
/** Of five registrations each: what the replica lacks of the old primary when it takes over. */
const SESSIONS_LACKED = 600

export interface RebuildRun {
  readonly algorithm: BenchAlgorithm
  readonly registrations: number
  readonly triggers: number
  /** All records of the topic: with the outcomes. Each counts once, however often it is read. */
  readonly records: number
  /** From the first to the last line that the relay logs about the rebuild. */
  readonly seconds: number
  readonly recordsPerSecond: number
  /** Of the process until what was owed was delivered, its start included. */
  readonly cpuSeconds: number
  readonly peakRssMb: number
  /** Registrations that should be in Redis afterwards and are not, or are and should not. */
  readonly registrationsWrong: number
  /** Owed deliveries that no RP got, and deliveries that were not owed any more. */
  readonly lost: number
  readonly unexpected: number
  /** From the moment at which a replica that lags answers instead of the primary, to the first and to the last delivery. */
  readonly failoverFirstSeconds: number
  readonly failoverLastSeconds: number
}

/**
 * A relay that starts on an empty Redis, of a group that has consumed the whole topic: it builds the registrations
 * anew and runs the triggers of its horizon once more. Then its Redis fails over to a replica that lags.
 */
export async function measureRebuild(
  context: BenchContext,
  algorithm: BenchAlgorithm,
  registrations: number,
): Promise<RebuildRun> {
  await using run = await context.openRun({ ownRedis: true })
  const { kafka, ledger, place } = run
  const sessions = makeSessions(registrations / REGISTRATIONS_PER_SESSION, ledger.relyingParties)
  const triggers = Math.floor(registrations / REGISTRATIONS_PER_TRIGGER)
  const ended = Math.min(Math.floor(triggers * ENDED_SHARE), sessions.length)
  const owed = sessions.slice(0, Math.ceil(ended * OWED_SHARE))
  const settled = sessions.slice(owed.length, ended)
  await fillTopic(run, algorithm, { sessions, settled, ended: sessions.slice(0, ended), triggers })
  await kafka.commit(place.topic, place.groupId, await kafka.endOffsets(place.topic))
  const records = await kafka.recordCount(place.topic)
  await ledger.reset()

  using endpoint = await MovingEndpoint.listen(place.redisUrl)
  await using program = startProgram('relay', {
    ...place,
    redisUrl: `redis://127.0.0.1:${endpoint.port}`,
  })
  const isOver = () => progressLines(place.logFile).some(({ phase }) => phase === 'done')
  await program.whileRunning(pollUntil(isOver, LOOK_EVERY_MS, REBUILD_TIMEOUT_MS, 'the rebuild'))
  await program.whileRunning(ledger.waitFor({ distinctMin: deliveriesOf(owed) }, REBUILD_TIMEOUT_MS))
  const seconds = secondsOf(progressLines(place.logFile))
  const { cpuSeconds, peakRssMb } = program.cost()
  const { missing, unexpected, duplicates } = await ledger.expect(expected(owed))
  // The last registrations go when their outcomes are acknowledged.
  let registrationsWrong = Number.NaN
  const isRight = async () => {
    registrationsWrong = await countWrong(run, sessions, ended)
    return registrationsWrong === 0
  }
  await pollUntil(isRight, LOOK_EVERY_MS, SETTLE_TIMEOUT_MS, 'the last outcomes').catch(() => undefined)
  const failover = await failOver(run, endpoint, program, algorithm)
  await program.stop()
  return {
    algorithm,
    registrations,
    triggers,
    records,
    seconds,
    recordsPerSecond: records / seconds,
    cpuSeconds,
    peakRssMb,
    registrationsWrong,
    lost: missing + failover.lost,
    unexpected: unexpected + duplicates,
    failoverFirstSeconds: failover.firstSeconds,
    failoverLastSeconds: failover.lastSeconds,
  }
}

/** The logins that the replica lacks are ended at the moment at which it takes over. */
async function failOver(
  { kafka, ledger, place, redis }: BenchRun,
  endpoint: MovingEndpoint,
  program: Program,
  algorithm: BenchAlgorithm,
): Promise<{ firstSeconds: number; lastSeconds: number; lost: number }> {
  const port = Number(new URL(place.redisUrl).port)
  await using replica = await startRedisServer()
  using atReplica = disposable(new Redis(replica.url))
  await atReplica.replicaof('127.0.0.1', port)
  const isLinked = async () => (await atReplica.info('replication')).includes('link_status:up')
  await pollUntil(isLinked, LOOK_EVERY_MS, REBUILD_TIMEOUT_MS, 'the replica')
  // What the copy of a large store takes is no part of the failover.
  await pollUntil(
    async () => (await atReplica.dbsize()) === (await redis.dbsize()),
    LOOK_EVERY_MS,
    REBUILD_TIMEOUT_MS,
    'the replica to hold everything',
  )
  await atReplica.replicaof('NO', 'ONE')
  const lacked = makeSessions(SESSIONS_LACKED, ledger.relyingParties)
  const keys = lacked.map(({ sessionId }) => `${place.redisPrefix}:session:{${ISSUER}|${sessionId}}`)
  const logins = lacked.flatMap((session) =>
    makeRegistrations(session, algorithm).map((it) =>
      cloudEvent('backchannel-logout-registered', session.sessionId, it),
    ),
  )
  await kafka.produce(place.topic, logins)
  const isApplied = async () => (await redis.exists(...keys)) === keys.length
  await program.whileRunning(pollUntil(isApplied, LOOK_EVERY_MS, REBUILD_TIMEOUT_MS, 'the logins'))
  await ledger.reset()
  endpoint.move(replica.url)
  const movedAt = performance.now()
  await kafka.produce(place.topic, lacked.map(trigger))
  await program.whileRunning(ledger.waitFor({ distinctMin: 1 }, REBUILD_TIMEOUT_MS))
  const firstSeconds = (performance.now() - movedAt) / 1_000
  await program.whileRunning(ledger.waitFor({ distinctMin: deliveriesOf(lacked) }, REBUILD_TIMEOUT_MS))
  const lastSeconds = (performance.now() - movedAt) / 1_000
  return { firstSeconds, lastSeconds, lost: (await ledger.expect(expected(lacked))).missing }
}

function disposable(redis: Redis): Redis & Disposable {
  return Object.assign(redis, { [Symbol.dispose]: () => redis.disconnect() })
}

interface Content {
  readonly sessions: readonly BenchSession[]
  /** Those for which there are outcomes. */
  readonly settled: readonly BenchSession[]
  readonly ended: readonly BenchSession[]
  readonly triggers: number
}

/** Registrations, then triggers, then outcomes, as in a topic on which sessions live longer than an hour. */
async function fillTopic(
  { kafka, place }: BenchRun,
  algorithm: BenchAlgorithm,
  { sessions, settled, ended, triggers }: Content,
): Promise<void> {
  const settledIds = new Set(settled.map(({ sessionId }) => sessionId))
  const outcomes: Message[] = []
  for (let start = 0; start < sessions.length; start += SESSIONS_PER_CHUNK) {
    const messages: Message[] = []
    for (const session of sessions.slice(start, start + SESSIONS_PER_CHUNK)) {
      for (const registration of makeRegistrations(session, algorithm)) {
        messages.push(cloudEvent('backchannel-logout-registered', session.sessionId, registration))
        if (settledIds.has(session.sessionId))
          outcomes.push(outcome(session.sessionId, registration, place.topic))
      }
    }
    await kafka.produce(place.topic, messages)
  }
  const strangers = Array.from({ length: triggers - ended.length }, () => ({
    issuer: ISSUER,
    sessionId: randomUUID(),
    userId: randomUUID(),
  }))
  await kafka.produce(place.topic, [...ended, ...strangers].map(trigger))
  await kafka.produce(place.topic, outcomes)
}

function outcome(sessionId: string, registration: object, topic: string): Message {
  const { oidcSessionId, clientId, sub, sid } = registration as Record<string, unknown>
  return cloudEvent('backchannel-logout-sent', sessionId, {
    issuer: ISSUER,
    sessionId,
    oidcSessionId,
    clientId,
    sub,
    sid,
    jti: randomUUID(),
    attempts: 1,
    status: 200,
    trigger: { id: randomUUID(), topic, partition: 0, offset: 0 },
  })
}

function progressLines(logFile: string): LogLine[] {
  return logLines(
    logFile,
    ({ phase }) => phase === 'registrations' || phase === 'triggers' || phase === 'done',
  )
}

function secondsOf(lines: readonly LogLine[]): number {
  const [first] = lines
  const last = lines.find(({ phase }) => phase === 'done')
  return (Date.parse(String(last?.time)) - Date.parse(String(first?.time))) / 1_000
}

/** The sessions that live must have all their registrations, the ended ones none any more. */
async function countWrong(
  { redis, place }: BenchRun,
  sessions: readonly BenchSession[],
  ended: number,
): Promise<number> {
  let wrong = 0
  for (let start = 0; start < sessions.length; start += SESSIONS_PER_PIPELINE) {
    const part = sessions.slice(start, start + SESSIONS_PER_PIPELINE)
    const pipeline = redis.pipeline()
    for (const { sessionId } of part) pipeline.hlen(`${place.redisPrefix}:session:{${ISSUER}|${sessionId}}`)
    for (const [index, [error, length]] of ((await pipeline.exec()) ?? []).entries()) {
      if (error !== null) throw error
      const due = start + index < ended ? 0 : (part[index]?.relyingParties.length ?? 0)
      wrong += Math.abs(Number(length) - due)
    }
  }
  return wrong
}
