import { monotonicMs } from '../support/ledger/monotonic-clock.ts'
import type { BenchContext } from './bench-context.ts'
import { checkDeliveries, type DeliveryCheck } from './delivery-check.ts'
import { loadByTopic, preload } from './load.ts'
import { startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import { makeSessions, REGISTRATIONS_PER_SESSION, seedRegistrations } from './workload.ts'

const RECOVERY_TIMEOUT_MS = 120_000
/** Early enough that most of the work is left for the second process. */
const KILLED_AT_SHARE = 0.3

export interface CrashRun extends DeliveryCheck {
  readonly algorithm: BenchAlgorithm
  /** From the SIGKILL to the end of the silence after it; a new process was started at once. */
  readonly resumedAfterSeconds: number
  /** From the SIGKILL to the last of all deliveries. */
  readonly completeAfterSeconds: number
}

/** `kill -9` of the relay in the middle of its work, a new process of the same group at once. */
export async function measureCrash(
  context: BenchContext,
  algorithm: BenchAlgorithm,
  sessionCount: number,
): Promise<CrashRun> {
  await using run = await context.openRun()
  const { ledger, place } = run
  const warmUp = makeSessions(WARM_UP_SESSIONS, ledger.relyingParties)
  const sessions = makeSessions(sessionCount, ledger.relyingParties)
  const deliveries = sessionCount * REGISTRATIONS_PER_SESSION
  await seedRegistrations(run.redis, place.redisPrefix, [...warmUp, ...sessions], algorithm)
  await using first = startProgram('relay', place)
  await loadByTopic(run, first).warmUp(warmUp)
  await preload(run, first, sessions)
  await ledger.reset()
  first.resume()
  await first.whileRunning(ledger.waitFor({ distinctMin: Math.floor(deliveries * KILLED_AT_SHARE) }))
  const killedMs = monotonicMs()
  await first.kill()
  await using second = startProgram('relay', place)
  await second.whileRunning(ledger.waitFor({ distinctMin: deliveries }, RECOVERY_TIMEOUT_MS))
  const arrivalsMs = (await ledger.arrivals()).map(({ firstArrivalMs }) => firstArrivalMs)
  // A clean stop publishes the outcomes that were still on their way when the last POST arrived.
  await second.stop()
  return {
    algorithm,
    resumedAfterSeconds: (resumedMs(arrivalsMs, killedMs) - killedMs) / 1_000,
    completeAfterSeconds: (Math.max(...arrivalsMs) - killedMs) / 1_000,
    ...(await checkDeliveries(run, sessions, warmUp)),
  }
}

/**
 * The first delivery after the longest pause between the crash and the half of what was left then. Not simply the
 * first one of the new process: a few that were parked in Redis may go out long before the group gives it the
 * partitions of the dead member, and a few that the dead one had claimed may come last.
 */
function resumedMs(arrivalsMs: readonly number[], killedMs: number): number {
  const left = arrivalsMs.filter((ms) => ms > killedMs).toSorted((a, b) => a - b)
  let previousMs = killedMs
  let longestMs = 0
  let endMs = killedMs
  for (const arrivalMs of left.slice(0, Math.ceil(left.length / 2))) {
    if (arrivalMs - previousMs > longestMs) {
      longestMs = arrivalMs - previousMs
      endMs = arrivalMs
    }
    previousMs = arrivalMs
  }
  return endMs
}
