import { writeFile } from 'node:fs/promises'
import type { BenchContext } from './bench-context.ts'
import { checkDeliveries, type DeliveryCheck } from './delivery-check.ts'
import { loadByStdin, loadByTopic } from './load.ts'
import { type ProgramName, startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import {
  type BenchFormat,
  makeSessions,
  REGISTRATIONS_PER_SESSION,
  seedRegistrations,
  triggerIn,
} from './workload.ts'

/** Fewer leave a part of the code uncompiled, and a short run would look dearer per delivery than a long one. */
export const WARM_UP_SESSIONS = 2_000

export interface ThroughputRun extends DeliveryCheck {
  readonly program: ProgramName
  readonly algorithm: BenchAlgorithm
  readonly sessions: number
  readonly perSecond: number
  readonly perCpuSecond: number
  /** Of the whole life of the process: start, warm-up and load. */
  readonly peakRssMb: number
}

/** One program, one algorithm, all triggers there at once: how fast, at what cost. */
export async function measureThroughput(
  context: BenchContext,
  name: ProgramName,
  algorithm: BenchAlgorithm,
  sessionCount: number,
  format: BenchFormat = 'native',
): Promise<ThroughputRun> {
  await using run = await context.openRun()
  const warmUp = makeSessions(WARM_UP_SESSIONS, run.ledger.relyingParties)
  const sessions = makeSessions(sessionCount, run.ledger.relyingParties)
  await seedRegistrations(run.redis, run.place.redisPrefix, [...warmUp, ...sessions], algorithm)
  const { message, mapping } = triggerIn[format]
  const mappingFile = `${run.place.logFile}.mapping.yaml`
  if (mapping !== undefined) await writeFile(mappingFile, mapping)
  await using program = startProgram(
    name,
    run.place,
    mapping === undefined ? {} : { MAPPING_FILE: mappingFile },
  )
  const load = name === 'bare' ? loadByStdin(run, program) : loadByTopic(run, program, message)
  await load.warmUp(warmUp)
  const { seconds, cpuSeconds } = await load.measure(sessions)
  const { peakRssMb } = program.cost()
  await program.stop()
  const deliveries = sessionCount * REGISTRATIONS_PER_SESSION
  return {
    program: name,
    algorithm,
    sessions: sessionCount,
    perSecond: deliveries / seconds,
    perCpuSecond: deliveries / cpuSeconds,
    peakRssMb,
    ...(await checkDeliveries(run, sessions, warmUp, name !== 'bare')),
  }
}
