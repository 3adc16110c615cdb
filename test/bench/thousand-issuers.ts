import { copyFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { startLedger } from '../support/ledger/ledger.ts'
import type { BenchContext, BenchRun } from './bench-context.ts'
import { checkDeliveries, type DeliveryCheck } from './delivery-check.ts'
import { loadByTopic } from './load.ts'
import { startProgram } from './program.ts'
import type { BenchAlgorithm } from './signing-keys.ts'
import { WARM_UP_SESSIONS } from './throughput.ts'
import { type BenchSession, deliveriesOf, ISSUER, makeSessions, seedRegistrations } from './workload.ts'

const ISSUERS = 1_000

export interface ManyIssuersRun {
  readonly one: IssuersRun
  readonly many: IssuersRun
}

interface IssuersRun extends DeliveryCheck {
  readonly issuers: number
  /** Of the first session of each issuer, whose key is read and whose RPs are new. */
  readonly firstPerCpuSecond: number
  /** Of the next one. */
  readonly perCpuSecond: number
  readonly peakRssMb: number
}

/** Twice a thousand sessions at the same RPs, of one issuer or of a thousand, each with a key file of its own. */
export async function measureManyIssuers(
  context: BenchContext,
  algorithm: BenchAlgorithm,
): Promise<ManyIssuersRun> {
  const one = await measure(context, algorithm, 1)
  return { one, many: await measure(context, algorithm, ISSUERS) }
}

async function measure(context: BenchContext, algorithm: BenchAlgorithm, count: number): Promise<IssuersRun> {
  await using ledger = await startLedger({ origins: context.ledger.relyingParties.length, verify: 'none' })
  await using opened = await context.openRun()
  const run: BenchRun = { ...opened, ledger, [Symbol.asyncDispose]: async () => undefined }
  const issuers = Array.from({ length: count }, (_, n) => (n === 0 ? ISSUER : `${ISSUER}/${n}`))
  const warmUp = makeSessions(WARM_UP_SESSIONS, run.ledger.relyingParties)
  const ofEach = (): BenchSession[] =>
    makeSessions(ISSUERS, run.ledger.relyingParties).map((session, n) => ({
      ...session,
      issuer: issuers[n % count] as string,
    }))
  const first = ofEach()
  const next = ofEach()
  await seedRegistrations(run.redis, run.place.redisPrefix, [...warmUp, ...first, ...next], algorithm)
  await using program = startProgram('relay', run.place, { ISSUERS_FILE: await writeIssuers(run, issuers) })
  const load = loadByTopic(run, program)
  await load.warmUp(warmUp)
  const ofFirst = await load.measure(first)
  const { cpuSeconds } = await load.measure(next)
  const { peakRssMb } = program.cost()
  await program.stop()
  return {
    issuers: count,
    firstPerCpuSecond: deliveriesOf(first) / ofFirst.cpuSeconds,
    perCpuSecond: deliveriesOf(next) / cpuSeconds,
    peakRssMb,
    ...(await checkDeliveries(run, next, [...warmUp, ...first])),
  }
}

/** JSON is YAML, too. No two issuers may have a key file in common. Returns the path. */
export async function writeIssuers({ place }: BenchRun, issuers: readonly string[]): Promise<string> {
  const folder = dirname(place.signingKeysFile)
  const file = join(folder, `${place.topic}-issuers.yaml`)
  const listed = await Promise.all(
    issuers.map(async (issuer, n) => {
      if (n === 0) return { issuer, keys: { file: basename(place.signingKeysFile) } }
      const keys = `${place.topic}-${n}-keys.json`
      await copyFile(place.signingKeysFile, join(folder, keys))
      return { issuer, keys: { file: keys } }
    }),
  )
  await writeFile(file, JSON.stringify({ issuers: listed }))
  return file
}
