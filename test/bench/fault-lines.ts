import { amount } from './amount.ts'
import { totalOf } from './figures.ts'
import type { Measurements } from './measurements.ts'
import type { RebuildRun } from './rebuild.ts'
import type { SharingRun } from './sharing.ts'
import { median } from './statistics.ts'
import type { TenantsRun } from './tenants.ts'

/** In words what the table of programs does not hold: a paragraph or a few lines per stage. */
export function faultLines(measured: Measurements): string {
  return [
    mappedLines,
    crashLines,
    sizeLines,
    isolationLines,
    sharingLines,
    tenantsLines,
    manyIssuersLines,
    parkedLines,
    rebuildLines,
    replayLines,
    steadyLines,
  ]
    .flatMap((lines) => lines(measured))
    .join('\n')
}

function mappedLines({ decoding, mapped }: Measurements): string[] {
  if (mapped.length === 0) return []
  const list = [...decoding].map(([name, micros]) => `${name} ${amount(micros, 1)}`).join(', ')
  const of = (which: 'native' | 'mapped') => amount(median(mapped.map((run) => run[which].perCpuSecond)))
  return [
    `Mapped records: ${of('mapped')} deliveries per CPU-second of Keycloak's events, ${of('native')} of native triggers, in turns; decoding alone, us of CPU per record: ${list}.`,
  ]
}

function crashLines({ crash }: Measurements): string[] {
  if (crash.length === 0) return []
  const list = (seconds: number[]) => seconds.map((value) => amount(value, 1)).join(', ')
  const { lost, duplicates, outcomesMissing, outcomesRepeated } = totalOf(crash)
  return [
    `kill -9 of the relay at 30 % of the work, a new one at once: deliveries go on after ${list(crash.map((run) => run.resumedAfterSeconds))} s and are complete after ${list(crash.map((run) => run.completeAfterSeconds))} s;` +
      ` over all runs lost ${lost}, delivered twice ${duplicates}, outcomes missing ${outcomesMissing}, repeated ${outcomesRepeated}.`,
  ]
}

function sizeLines({ size }: Measurements): string[] {
  return [...new Set(size.map((run) => run.sessions))].map((sessions) => {
    const runs = size.filter((run) => run.sessions === sessions)
    const { lost, duplicates } = totalOf(runs)
    return (
      `relay, ${sessions} sessions: ${amount(median(runs.map((run) => run.perCpuSecond)))} per CPU-s, ` +
      `${amount(median(runs.map((run) => run.peakRssMb)))} MB, lost ${lost}, twice ${duplicates}.`
    )
  })
}

function isolationLines({ isolation }: Measurements): string[] {
  return [...new Set(isolation.map((run) => run.hanging))].map((hanging) => {
    const runs = isolation.filter((run) => run.hanging === hanging)
    const { lost, duplicates } = totalOf(runs)
    const of = (read: (run: (typeof runs)[number]) => number) => median(runs.map(read))
    return (
      `${hanging} of ${runs[0]?.origins} origins hang: the RPs that never do get ${amount(of((run) => run.healthyPerSecond))} deliveries per s, ` +
      `latency p50 ${amount(
        of((run) => run.healthyP50Ms),
        1,
      )} ms, p99 ${amount(
        of((run) => run.healthyP99Ms),
        1,
      )} ms; ` +
      `all delivered ${amount(
        of((run) => run.recoveredAfterSeconds),
        1,
      )} s after the others answer again, lost ${lost}, twice ${duplicates}.`
    )
  })
}

function sharingLines({ sharing }: Measurements): string[] {
  return [...new Set(sharing.map((run) => run.name))].map((name) => {
    const runs = sharing.filter((run) => run.name === name)
    const of = (read: (run: SharingRun) => number, decimals = 1) => amount(median(runs.map(read)), decimals)
    return (
      `${name}: the other RPs are told within ${of((run) => run.seconds)} s, alone ${of((run) => run.aloneSeconds)} s, ` +
      `beside RPs that are well ${of((run) => run.faultFreeSeconds)} s, p99 then ${of((run) => run.p99Ms)} ms, ` +
      `beside RPs that are well ${of((run) => run.faultFreeP99Ms)} ms; ` +
      `all are told ${of((run) => run.recoveredAfterSeconds)} s after that, twice ${of((run) => run.duplicates, 0)}.`
    )
  })
}

function tenantsLines({ tenants }: Measurements): string[] {
  if (tenants.length === 0) return []
  const of = (read: (run: TenantsRun) => number) => amount(median(tenants.map(read)), 1)
  return [
    `A tenant beside one with 2,000 RPs that logs out ${tenants[0]?.owed} deliveries: latency p50 ${of((run) => run.p50Ms)} ms, p99 ${of((run) => run.p99Ms)} ms, ` +
      `alone ${of((run) => run.aloneP50Ms)} and ${of((run) => run.aloneP99Ms)} ms; its trigger behind all those of the other is sent after ${of((run) => run.behindSeconds)} s; ` +
      `all of the other is sent after ${of((run) => run.seconds)} s, alone ${of((run) => run.aloneSeconds)} s.`,
  ]
}

function manyIssuersLines({ manyIssuers }: Measurements): string[] {
  return manyIssuers.map(
    ({ one, many }) =>
      `${many.issuers} issuers of one session each: ${amount(many.perCpuSecond)} deliveries per CPU-s (the first of each: ${amount(many.firstPerCpuSecond)}) and ${amount(many.peakRssMb)} MB; ` +
      `one issuer with as many sessions: ${amount(one.perCpuSecond)} and ${amount(one.peakRssMb)} MB.`,
  )
}

function parkedLines({ parked }: Measurements): string[] {
  return parked.flatMap((run) => [
    `${run.parked} deliveries parked for one dead RP, at ${amount(run.parkedPerSecond)} per s: ` +
      `the other RPs get ${amount(run.healthyPerSecondWith)} deliveries per s, without them ${amount(run.healthyPerSecondWithout)}; ` +
      `peak memory ${amount(run.peakRssMbWith)} MB, without them ${amount(run.peakRssMbWithout)}; ` +
      `Redis ${amount(run.redisBytesPerParked)} bytes for each, and ${amount(run.redisBytesPerTombstone)} for the tombstone of each ended session.`,
    `The RP is back: its first delivery after ${amount(run.firstAfterSeconds, 1)} s, then ${amount(run.drainPerSecond)} per s ` +
      `(${run.drained} of them watched), of fresh triggers for it alone ${amount(run.normalPerSecond)} per s; lost ${run.lost}, twice ${run.duplicates}.`,
  ])
}

function rebuildLines({ rebuild }: Measurements): string[] {
  const [first] = rebuild
  if (first === undefined) return []
  const of = (read: (run: RebuildRun) => number) => median(rebuild.map(read))
  return [
    `Redis rebuilt from a topic with ${first.registrations} registrations and ${first.triggers} triggers, ${first.records} records with the outcomes: ` +
      `${amount(
        of((run) => run.seconds),
        1,
      )} s, ${amount(of((run) => run.recordsPerSecond))} records per s, peak memory ${amount(of((run) => run.peakRssMb))} MB.` +
      ` Then Redis fails over to a replica that lacks the last ${5 * 600} logins, all ended at that moment: first delivery after ${amount(
        of((run) => run.failoverFirstSeconds),
        1,
      )} s, last after ${amount(
        of((run) => run.failoverLastSeconds),
        1,
      )} s.`,
  ]
}

function replayLines({ replay }: Measurements): string[] {
  return replay.map(
    ({
      triggers,
      triggersSent,
      deliveries,
      servedPerSecond,
      replayedPerSecond,
      lost,
      unexpected,
      exitCode,
    }) =>
      `Replay of ${triggers} triggers of which ${triggersSent} were sent: ${deliveries} deliveries, ${amount(replayedPerSecond)} per second` +
      ` (the relay: ${amount(servedPerSecond)}), lost ${lost}, not owed ${unexpected}, exit code ${exitCode}.`,
  )
}

function steadyLines({ steady }: Measurements): string[] {
  return steady.flatMap(({ minutes }) =>
    minutes.map(
      ({ rssMb, unsettled, lag, p50Ms, p99Ms }, index) =>
        `constant load, minute ${index + 1}: ${amount(rssMb)} MB, ${amount(unsettled)} deliveries in memory, ` +
        `${amount(lag)} records behind, latency p50 ${amount(p50Ms, 1)} ms, p99 ${amount(p99Ms, 1)} ms.`,
    ),
  )
}
