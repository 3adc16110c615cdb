import type { BenchRun } from './bench-context.ts'
import type { Program } from './program.ts'
import { type BenchSession, deliveriesOf, trigger } from './workload.ts'

const PROGRESS_TIMEOUT_MS = 120_000

export interface LoadResult {
  /** From the first trigger that could be taken to the last outcome. */
  readonly seconds: number
  /** User and system time of the program's process tree. */
  readonly cpuSeconds: number
}

/** How a program is given sessions to log out. `warmUp` comes first, in the same process. */
export interface Load {
  warmUp(sessions: readonly BenchSession[]): Promise<void>
  measure(sessions: readonly BenchSession[]): Promise<LoadResult>
}

/**
 * Triggers on the topic, written while the program is suspended (SIGSTOP) and let go all at once. So neither the start
 * of the process nor the join of the group nor the warm-up is in the figures. Time ends with the last outcome on the
 * topic; CPU is read when the offsets of the triggers are committed too, so that work put off until then counts.
 */
export function loadByTopic(run: BenchRun, program: Program, message = trigger): Load {
  const { kafka, ledger, place } = run
  const settled = async ({ offsets, records }: Preloaded, onOutcomes: () => void) => {
    await program.whileRunning(kafka.waitForRecordCount(place.topic, records, PROGRESS_TIMEOUT_MS))
    onOutcomes()
    const committed = kafka.waitForCommitted(place.topic, place.groupId, offsets, PROGRESS_TIMEOUT_MS)
    await program.whileRunning(committed)
  }
  return {
    warmUp: async (sessions) => {
      const preloaded = await preload(run, program, sessions, message)
      program.resume()
      await settled(preloaded, () => {})
    },
    measure: async (sessions) => {
      const preloaded = await preload(run, program, sessions, message)
      await ledger.reset()
      const cpuSecondsBefore = program.cost().cpuSeconds
      const startedMs = performance.now()
      let seconds = 0
      program.resume()
      await settled(preloaded, () => {
        seconds = (performance.now() - startedMs) / 1_000
      })
      return { seconds, cpuSeconds: program.cost().cpuSeconds - cpuSecondsBefore }
    },
  }
}

interface Preloaded {
  /** The ends of the partitions, behind the last trigger. */
  readonly offsets: Map<number, number>
  /** How many records the topic holds when every outcome of these sessions is there. */
  readonly records: number
}

/** Suspends the program, so that nobody else writes, and puts the triggers on the topic. The caller resumes it. */
export async function preload(
  { kafka, place }: BenchRun,
  program: Program,
  sessions: readonly BenchSession[],
  message = trigger,
): Promise<Preloaded> {
  await program.suspend()
  await kafka.produce(place.topic, sessions.map(message))
  const offsets = await kafka.endOffsets(place.topic)
  const written = [...offsets.values()].reduce((sum, offset) => sum + offset, 0)
  return { offsets, records: written + deliveriesOf(sessions) }
}

/** Session ids on stdin: for the bare loop, which has no Kafka. It is idle between the two, like a suspended one. */
export function loadByStdin({ ledger }: BenchRun, program: Program): Load {
  const line = (sessions: readonly BenchSession[]) =>
    JSON.stringify(sessions.map(({ sessionId }) => sessionId))
  return {
    warmUp: async (sessions) => program.work(line(sessions)),
    measure: async (sessions) => {
      await ledger.reset()
      const cpuSecondsBefore = program.cost().cpuSeconds
      const startedMs = performance.now()
      await program.work(line(sessions))
      const seconds = (performance.now() - startedMs) / 1_000
      return { seconds, cpuSeconds: program.cost().cpuSeconds - cpuSecondsBefore }
    },
  }
}
