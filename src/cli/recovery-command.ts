import { createIssuers } from '../app/create-issuers.ts'
import { storeLayout } from '../app/engine.ts'
import { RecordMapping } from '../app/record-mapping.ts'
import { RecoveryRun, type RecoveryRunOptions } from '../app/recovery-run.ts'
import { type Layout, layout, type Placed, readConfigPart } from '../config/config.ts'
import type { InputTopics } from '../intake/input-topics.ts'
import { systemClock } from '../lib/clock.ts'
import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'
import { unreachableFault } from '../recovery/outage-budget.ts'
import type { ReplayFilter } from '../recovery/replay-filter.ts'
import { describeFailure } from '../recovery/selection.ts'
import type { RedisConnection } from '../redis/redis-connection.ts'
import { goByClockOf, inputTopics, kafkaClient, openKafka, openRedis } from './backends.ts'
import { EXIT_CODE } from './exit-code.ts'
import type { Output } from './output.ts'

/** What `replay` and `reconcile` read. */
export const recoveryLayout = {
  ...storeLayout,
  intake: { file: layout.intake.file },
  kafka: { ...storeLayout.kafka, ...kafkaClient },
  redis: layout.redis,
} as const satisfies Layout

type Issuers = ReturnType<typeof createIssuers>

/** Where a recovery runs. */
export interface RecoverySite {
  readonly config: Placed<typeof recoveryLayout>
  readonly inputs: InputTopics
  readonly issuers: Issuers
  readonly redis: RedisConnection
  readonly filter: ReplayFilter
}

const FAILURES_TOLD_MAX = 20

/**
 * What `replay` and `reconcile` have in common: connections, signals, the end. `work` returns the exit code; `summary`
 * is called whatever became of it. A first signal ends the selection, a second one the process.
 */
export async function runRecovery(
  output: Output,
  options: Pick<RecoveryRunOptions, 'filter' | 'perSecond'>,
  work: (run: RecoveryRun, site: RecoverySite) => Promise<number>,
  summary: (run: RecoveryRun) => void,
): Promise<void> {
  const config = readConfigPart(recoveryLayout)
  const issuers = createIssuers(config, systemClock)
  await issuers.open()
  const filter = withIss(options.filter, issuers)
  const mapping = await new RecordMapping(config.records).open()
  const redis = await openRedis(config.redis)
  try {
    await goByClockOf(redis)
    const { kafka, topics } = await openKafka(config.kafka)
    try {
      let failures = 0
      const inputs = await inputTopics(config.kafka.topics, topics, config.intake.file)
      const run = new RecoveryRun({
        ...options,
        filter,
        config,
        inputs,
        issuers,
        mapping,
        kafka,
        redis,
        topics,
        onNote: (text) => tell(output, text),
        onFailed: (outcome) => {
          if (++failures > FAILURES_TOLD_MAX) return
          tell(output, describeFailure(outcome))
          if (failures === FAILURES_TOLD_MAX) tell(output, 'the topic has further failures, as outcomes')
        },
      })
      process.exitCode = await underSignals(
        output,
        run,
        () => work(run, { config, filter, inputs, issuers, redis }),
        summary,
      )
    } finally {
      await topics.close()
    }
  } finally {
    redis.close()
  }
}

/** An alias names an issuer as well as its `iss` does. */
function withIss(filter: ReplayFilter = {}, issuers: Issuers): ReplayFilter {
  const issuer = filter.issuer === undefined ? undefined : issuers.resolve(filter.issuer)
  return { ...filter, ...(issuer !== undefined && { issuer }) }
}

async function underSignals(
  output: Output,
  run: RecoveryRun,
  work: () => Promise<number>,
  summary: (run: RecoveryRun) => void,
): Promise<number> {
  let isInterrupted = false
  const interrupt = (): void => {
    if (isInterrupted) process.exit(EXIT_CODE.interrupted)
    isInterrupted = true
    const { parked } = run.tally.counts
    tell(
      output,
      `interrupted: no more deliveries are selected; relays send the ${parked} parked ones; press Ctrl-C again to exit now`,
    )
    run.outageBudget.interrupt()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  let code: number = EXIT_CODE.ok
  let isDone = false
  try {
    await run.start()
    code = await work()
    isDone = true
  } catch (error) {
    if (!run.outageBudget.signal.aborted) throw withRemedy(unreachableFault(error))
  } finally {
    if (isDone || run.tally.counts.read > 0) summary(run)
  }
  if (run.outageBudget.fault !== undefined) throw run.outageBudget.fault
  return isInterrupted ? EXIT_CODE.interrupted : code
}

/** A relay rebuilds a lost registry by itself; a command does not. */
function withRemedy(error: unknown): unknown {
  if (codeOf(error) !== 'LR_REGISTRY_LOST') return error
  const remedy =
    'start a relay or run `logout-relay reconcile` to rebuild it from the topic; then run this command again'
  return new RelayFault('LR_REGISTRY_LOST', `${messageOf(error)} under ${layout.redis.prefix}; ${remedy}`, {
    cause: error,
  })
}

function tell(output: Output, text: string): void {
  output.redraw('')
  output.note(text)
}
