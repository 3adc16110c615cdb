import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { BenchContext, BenchRun } from './bench-context.ts'
import { checkDeliveries } from './delivery-check.ts'
import { loadByTopic } from './load.ts'
import { programEnvironment, startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import { deliveriesOf, makeSessions, seedRegistrations, trigger } from './workload.ts'

const REGISTRATIONS_PER_SESSION = 2

export interface ReplayRun {
  readonly algorithm: BenchAlgorithm
  readonly triggers: number
  /** Triggers whose deliveries the relay had made before. */
  readonly triggersSent: number
  readonly deliveries: number
  /** By the relay, of the first half. */
  readonly servedPerSecond: number
  /** From the first record that is read to the last outcome, the process being new. */
  readonly replayedPerSecond: number
  readonly exitCode: number
  readonly lost: number
  /** What was sent before, or twice, or refused. */
  readonly unexpected: number
  readonly outcomesMissing: number
}

/** A relay delivers half of the triggers and ends; the replay of the whole topic delivers the other half. */
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
  await seedRegistrations(run.redis, place.redisPrefix, sessions, algorithm)
  await using program = startProgram('relay', place)
  const load = loadByTopic(run, program)
  await load.warmUp(warmUp)
  const { seconds } = await load.measure(served)
  await program.stop()

  await kafka.produce(place.topic, owed.map(trigger))
  await ledger.reset()
  const replayed = await replay(run)
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

async function replay({ place }: BenchRun): Promise<{ seconds: number; exitCode: number }> {
  const child = spawn(process.execPath, ['src/main.ts', 'replay', '--from', '1h'], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: programEnvironment(place),
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
