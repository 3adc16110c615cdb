import { setTimeout } from 'node:timers/promises'
import { monotonicMs } from '../support/ledger/monotonic-clock.ts'
import type { Arrival } from '../support/ledger/protocol.ts'
import type { BenchRun } from './bench-context.ts'
import { type BenchSession, trigger } from './workload.ts'

/**
 * Sends each trigger at its own instant, whether or not those before it are acknowledged. Resolves with the
 * `monotonicMs` at which each session's trigger was handed to the Kafka producer.
 */
export async function trickle(
  { kafka, place }: BenchRun,
  sessions: readonly BenchSession[],
  triggersPerSecond: number,
): Promise<Map<string, number>> {
  const triggeredMs = new Map<string, number>()
  let failure: Error | undefined
  let unacknowledged = 0
  const startMs = monotonicMs()
  for (const [index, session] of sessions.entries()) {
    const dueMs = startMs + (index * 1_000) / triggersPerSecond
    await setTimeout(Math.max(0, dueMs - monotonicMs()))
    const message = trigger(session)
    triggeredMs.set(session.sessionId, monotonicMs())
    unacknowledged += 1
    kafka.produceOne(place.topic, message).then(
      () => {
        unacknowledged -= 1
      },
      (error: Error) => {
        failure = error
      },
    )
    if (failure !== undefined) throw failure
  }
  while (unacknowledged > 0 && failure === undefined) await setTimeout(1)
  if (failure !== undefined) throw failure
  return triggeredMs
}

/** From each trigger to the first arrival of each of its POSTs. Milliseconds. */
export function latenciesMs(
  arrivals: readonly Arrival[],
  triggeredMs: ReadonlyMap<string, number>,
): number[] {
  return arrivals.map(
    ({ sessionId, firstArrivalMs }) => firstArrivalMs - (triggeredMs.get(sessionId) ?? Number.NaN),
  )
}
