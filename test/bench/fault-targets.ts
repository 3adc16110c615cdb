import { totalOf } from './figures.ts'
import type { IsolationRun } from './isolation.ts'
import type { Measurements } from './measurements.ts'
import type { SharingRun } from './sharing.ts'
import { median } from './statistics.ts'
import { SETTLED_MINUTE, type SteadyMinute } from './steady.ts'
import { atLeast, atMost, type TargetResult } from './target-result.ts'

/** How the relay fares with what goes wrong, and with much or long work. */
export function judgeFaults(measured: Measurements): TargetResult[] {
  return [
    judgeMapped,
    judgeCrash,
    judgeSize,
    judgeIsolation,
    judgeSharing,
    judgeTenants,
    judgeManyIssuers,
    judgeParked,
    judgeRebuild,
    judgeReplay,
    judgeSteady,
  ].flatMap((judge) => judge(measured))
}

function judgeMapped({ mapped }: Measurements): TargetResult[] {
  if (mapped.length === 0) return []
  const of = (which: 'native' | 'mapped') => median(mapped.map((run) => run[which].perCpuSecond))
  const { lost, duplicates, outcomesMissing } = totalOf(mapped.map((run) => run.mapped))
  return [
    atMost('cost per delivery, mapped / native triggers', of('native') / of('mapped'), 1.25),
    atMost(
      'mapped triggers, lost and duplicate deliveries, missing outcomes',
      lost + duplicates + outcomesMissing,
      0,
    ),
  ]
}

function judgeCrash({ crash }: Measurements): TargetResult[] {
  if (crash.length === 0) return []
  const { lost, outcomesMissing } = totalOf(crash)
  const resumed = median(crash.map((run) => run.resumedAfterSeconds))
  return [
    atMost('after kill -9, until deliveries go on', resumed, 12, 's'),
    atMost('after kill -9, lost deliveries and outcomes', lost + outcomesMissing, 0),
  ]
}

function judgeSize({ size }: Measurements): TargetResult[] {
  const smallest = Math.min(...size.map((run) => run.sessions))
  const small = size.filter((run) => run.sessions === smallest)
  const large = size.filter((run) => run.sessions !== smallest)
  const of = (runs: typeof size, name: 'perCpuSecond' | 'peakRssMb') => median(runs.map((run) => run[name]))
  return [
    atMost(
      'ten times the sessions, cost per delivery, large / small',
      of(small, 'perCpuSecond') / of(large, 'perCpuSecond'),
      1.15,
    ),
    atMost(
      'ten times the sessions, additional peak memory',
      of(large, 'peakRssMb') - of(small, 'peakRssMb'),
      30,
      'MB',
    ),
  ]
}

function judgeIsolation({ isolation }: Measurements): TargetResult[] {
  if (isolation.length === 0) return []
  const ratio = (name: 'healthyPerSecond' | 'healthyP99Ms') => {
    const of = (runs: readonly IsolationRun[]) => median(runs.map((run) => run[name]))
    return of(isolation.filter((run) => run.hanging > 0)) / of(isolation.filter((run) => run.hanging === 0))
  }
  const { lost, duplicates, wrong, outcomesMissing, outcomesFailed } = totalOf(isolation)
  return [
    atLeast('RPs beside hanging ones, throughput, with / without', ratio('healthyPerSecond'), 0.95),
    atMost('RPs beside hanging ones, latency p99, with / without', ratio('healthyP99Ms'), 2),
    atMost('hanging RPs, lost deliveries and outcomes', lost + outcomesMissing + outcomesFailed, 0),
    atMost('hanging RPs, duplicate and wrong deliveries', duplicates + wrong, 0),
  ]
}

function judgeSharing({ sharing }: Measurements): TargetResult[] {
  return [...new Set(sharing.map((run) => run.name))].flatMap((name) => {
    const runs = sharing.filter((run) => run.name === name)
    const of = (read: (run: SharingRun) => number) => median(runs.map(read))
    return [
      atMost(
        `${name}: until the others are told, with / without`,
        of((run) => run.seconds / run.faultFreeSeconds),
        2,
      ),
      atMost(
        `${name}: latency p99 of the others then, with / without`,
        of((run) => run.p99Ms / run.faultFreeP99Ms),
        2,
      ),
    ]
  })
}

function judgeTenants({ tenants }: Measurements): TargetResult[] {
  if (tenants.length === 0) return []
  const ratio = median(tenants.map((run) => run.p99Ms / run.aloneP99Ms))
  const duplicates = tenants.reduce((sum, run) => sum + run.duplicates, 0)
  return [
    atMost('a tenant beside the mass logout of another, latency p99, with / without', ratio, 2),
    atMost('mass logout of a tenant, duplicate deliveries', duplicates, 0),
  ]
}

function judgeManyIssuers({ manyIssuers }: Measurements): TargetResult[] {
  if (manyIssuers.length === 0) return []
  const { lost, duplicates, outcomesMissing } = totalOf(manyIssuers.map(({ many }) => many))
  return [
    atMost(
      'a thousand issuers, cost per delivery, many / one',
      median(manyIssuers.map(({ one, many }) => one.perCpuSecond / many.perCpuSecond)),
      1.05,
    ),
    atMost(
      'a thousand issuers, additional peak memory',
      median(manyIssuers.map(({ one, many }) => many.peakRssMb - one.peakRssMb)),
      15,
      'MB',
    ),
    atMost(
      'a thousand issuers, lost and duplicate deliveries, missing outcomes',
      lost + duplicates + outcomesMissing,
      0,
    ),
  ]
}

function judgeParked({ parked: [run] }: Measurements): TargetResult[] {
  if (run === undefined) return []
  const memory = run.peakRssMbWith - run.peakRssMbWithout
  return [
    atMost('parked deliveries, additional peak memory', memory, 40, 'MB'),
    atLeast(
      'RPs beside a dead one, throughput, with / without its backlog',
      run.healthyPerSecondWith / run.healthyPerSecondWithout,
      0.95,
    ),
    atMost('parked deliveries, Redis bytes for each', run.redisBytesPerParked, 300),
    atMost('after the dead RP recovered, until its first delivery', run.firstAfterSeconds, 10, 's'),
    atLeast('drain of a backlog, rate / normal rate', run.drainPerSecond / run.normalPerSecond, 0.7),
    atMost('parked deliveries lost, sent twice or wrong', run.lost + run.duplicates + run.wrong, 0),
  ]
}

function judgeRebuild({ rebuild }: Measurements): TargetResult[] {
  if (rebuild.length === 0) return []
  const wrong = rebuild.reduce((sum, run) => sum + run.registrationsWrong + run.lost + run.unexpected, 0)
  return [
    atLeast('Redis rebuilt, records per second', median(rebuild.map((run) => run.recordsPerSecond)), 40_000),
    atMost(
      'Redis failed over, until the first delivery',
      median(rebuild.map((run) => run.failoverFirstSeconds)),
      5,
      's',
    ),
    atMost('Redis rebuilt, wrong registrations, lost or repeated deliveries', wrong, 0),
  ]
}

/** What is left of a queue is a matter of milliseconds; one that grows for minutes is far beyond that. */
const QUEUE_GROWTH_RECORDS_MAX = 100
/** A minute's figures scatter that much on a machine that does other things. */
const LATENCY_DRIFT_MAX = { p50Ms: 1.25, p99Ms: 1.5 }

function judgeReplay({ replay }: Measurements): TargetResult[] {
  if (replay.length === 0) return []
  const total = (name: 'lost' | 'unexpected' | 'outcomesMissing') =>
    replay.reduce((sum, run) => sum + run[name], 0)
  const ratio = median(replay.map((run) => run.replayedPerSecond / run.servedPerSecond))
  return [
    atLeast('replay, deliveries per second, replay / relay', ratio, 0.7),
    atMost('replay, lost deliveries and outcomes', total('lost') + total('outcomesMissing'), 0),
    atMost('replay, deliveries that were not owed', total('unexpected'), 0),
  ]
}

function judgeSteady({ steady: [run] }: Measurements): TargetResult[] {
  const settled = run?.minutes[SETTLED_MINUTE - 1]
  const last = run?.minutes.at(-1)
  if (run === undefined || settled === undefined || last === undefined) return []
  const { lost, duplicates, wrong, outcomesMissing, outcomesRepeated, outcomesFailed } = run
  const queue = ({ unsettled, lag }: SteadyMinute) => unsettled + lag
  const ofThird = `minute ${run.minutes.length} / minute ${SETTLED_MINUTE}`
  return [
    atMost(`constant load, memory, ${ofThird}`, last.rssMb / settled.rssMb, 1.1),
    atMost(
      'constant load, growth of what waits',
      Math.round(queue(last) - queue(settled)),
      QUEUE_GROWTH_RECORDS_MAX,
    ),
    atMost(`constant load, latency p50, ${ofThird}`, last.p50Ms / settled.p50Ms, LATENCY_DRIFT_MAX.p50Ms),
    atMost(`constant load, latency p99, ${ofThird}`, last.p99Ms / settled.p99Ms, LATENCY_DRIFT_MAX.p99Ms),
    atMost('constant load, lost deliveries and outcomes', lost + outcomesMissing + outcomesFailed, 0),
    atMost('constant load, duplicate and wrong ones', duplicates + outcomesRepeated + wrong, 0),
  ]
}
