import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { BenchContext, BenchRun } from './bench-context.ts'
import { checkDeliveries } from './delivery-check.ts'
import { loadByTopic } from './load.ts'
import { pollUntil } from './poll.ts'
import { programEnvironment, startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import { deliveriesOf, ISSUER, makeSessions, seedRegistrations, trigger } from './workload.ts'

const REGISTRATIONS_PER_SESSION = 2
const PASSED_TIMEOUT_MS = 120_000
const KEYS_PER_CALL = 1_000
/**
 * Nobody remembers that the sessions have ended, as it is some time after an outage: what is owed is due at once, and not
 * when a first attempt of a relay must have ended.
 */
const SETTINGS = { TOMBSTONE_MS: '1000' }

export interface ReplayRun {
  readonly algorithm: BenchAlgorithm
  readonly triggers: number
  /** Triggers whose deliveries the relay had made before. */
  readonly triggersSent: number
  readonly deliveries: number
  /** By the relay, of the first half. */
  readonly servedPerSecond: number
  /** From the first record that is read to the last outcome, the replaying process being new. */
  readonly replayedPerSecond: number
  readonly exitCode: number
  readonly lost: number
  /** What was sent before, or twice, or refused. */
  readonly unexpected: number
  readonly outcomesMissing: number
}

/**
 * A relay delivers half of the triggers; of the other half Redis knows nothing when it reads them. The replay of the whole
 * topic has it deliver those as well.
 */
export async function measureReplay(
  context: BenchContext,
  algorithm: BenchAlgorithm,
  triggers: number,
): Promise<ReplayRun> {
  await using run = await context.openRun()
  const { kafka, ledger, place } = run
  const sessions = makeSessions(triggers, ledger.relyingParties, REGISTRATIONS_PER_SESSION)
  const half = Math.floor(triggers / 2)
  const warmUp = sessions.slice(0, Math.min(WARM_UP_SESSIONS, half - 1))
  const served = sessions.slice(warmUp.length, half)
  const owed = sessions.slice(half)
  // All before their sessions end: a later login would be left alone.
  const loggedInMs = Date.now()
  const seed = (them: typeof sessions) =>
    seedRegistrations(run.redis, place.redisPrefix, them, algorithm, loggedInMs)
  await seed([...warmUp, ...served])
  await using program = startProgram('relay', place, SETTINGS)
  const load = loadByTopic(run, program)
  await load.warmUp(warmUp)
  const { seconds } = await load.measure(served)
  await kafka.produce(place.topic, owed.map(trigger))
  const ends = await kafka.endOffsets(place.topic)
  await program.whileRunning(kafka.waitForCommitted(place.topic, place.groupId, ends, PASSED_TIMEOUT_MS))
  await program.whileRunning(
    pollUntil(() => areForgotten(run, owed), 500, PASSED_TIMEOUT_MS, 'the tombstones to go'),
  )
  await seed(owed)
  await ledger.reset()
  const replayed = await program.whileRunning(replay(run))
  await program.stop()
  const check = await checkDeliveries(run, owed, [...warmUp, ...served])
  return {
    algorithm,
    triggers,
    triggersSent: half,
    deliveries: deliveriesOf(owed),
    servedPerSecond: deliveriesOf(served) / seconds,
    replayedPerSecond: deliveriesOf(owed) / replayed.seconds,
    exitCode: replayed.exitCode,
    lost: check.lost,
    unexpected: check.duplicates + check.wrong + check.outcomesRepeated,
    outcomesMissing: check.outcomesMissing + check.outcomesFailed,
  }
}

async function areForgotten(
  { place, redis }: BenchRun,
  sessions: readonly { sessionId: string }[],
): Promise<boolean> {
  const keys = sessions.map(({ sessionId }) => `${place.redisPrefix}:ended:{${ISSUER}|${sessionId}}`)
  for (let at = 0; at < keys.length; at += KEYS_PER_CALL)
    if ((await redis.exists(...keys.slice(at, at + KEYS_PER_CALL))) > 0) return false
  return true
}

async function replay({ place }: BenchRun): Promise<{ seconds: number; exitCode: number }> {
  const child = spawn(process.execPath, ['src/main.ts', 'replay', '--from', '1h', '--json'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: programEnvironment(place, SETTINGS),
  })
  let startedAtMs = 0
  let endedAtMs = 0
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { step } = JSON.parse(line) as { step: string }
    if (startedAtMs === 0 && step === 'read') startedAtMs = performance.now()
    if (step === 'summary') endedAtMs = performance.now()
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { seconds: (endedAtMs - startedAtMs) / 1_000, exitCode: code ?? -1 }
}
