import type { Command } from 'commander'
import type { RecoveryRun } from '../app/recovery-run.ts'
import { layout } from '../config/config.ts'
import { describeHidden } from '../intake/log-reader.ts'
import { describeDisbelieved } from '../recovery/believed-outcomes.ts'
import type { Difference } from '../recovery/registry-difference.ts'
import { EXIT_CODE } from './exit-code.ts'
import { type Column, Output } from './output.ts'
import { reads } from './reads.ts'
import { recoveryLayout, runRecovery } from './recovery-command.ts'
import { rateOf } from './replay-arguments.ts'
import { exitCodeOfCounts, ReplayProgress, type ReplayState, summarize } from './replay-progress.ts'
import { parseDuration } from './time-argument.ts'

interface ReconcileOptions {
  readonly dryRun?: boolean
  readonly rate?: string
  readonly wait?: string
  readonly json?: boolean
}

const columns: readonly Column<ReturnType<typeof rowOf>>[] = [
  { title: 'DIFFERENCE', cell: ({ difference }) => difference },
  { title: 'SESSION', cell: ({ session }) => session },
  { title: 'OIDC SESSION', cell: ({ oidcSession }) => oidcSession },
  { title: 'CLIENT', cell: ({ client }) => client },
]

const examples = `
Examples:
  logout-relay reconcile --dry-run     how Redis differs from the topic
  logout-relay reconcile               complete Redis from it, while relays run

It parks owed deliveries; the relays of ${layout.kafka.groupId} send them.

Exit codes: 0 done, or Redis does not differ; 1 a delivery failed or is still
parked, --dry-run found a difference, or an open transaction of another producer
hides records; 2 wrong usage; 3 Kafka or Redis is unreachable; 130 interrupted.
It uses the configuration of serve, without signing keys.`

/** `reconcile`: Redis, built from the topic. */
export function addReconcile(program: Command): void {
  reads(program.command('reconcile'), recoveryLayout)
    .description(
      'complete the registrations in Redis from the topic, and park owed deliveries for the relays',
    )
    .option('--dry-run', 'list how Redis differs from the topic; change nothing')
    .option('--rate <n>', 'maximum deliveries per second')
    .option(
      '--wait <duration>',
      `how long to wait for the outcomes (default: ${layout.delivery.lateAfterMs}, while a relay runs)`,
    )
    .option('--json', 'lines of JSON: progress, differences and the summary')
    .addHelpText('after', examples)
    .action(reconcile)
}

async function reconcile(options: ReconcileOptions): Promise<void> {
  const startedAtMs = performance.now()
  const perSecond = rateOf(options.rate)
  const waitMs = options.wait === undefined ? undefined : parseDuration(options.wait, '--wait')
  const dry = options.dryRun === true
  const output = new Output(options.json === true)
  let completed: readonly Difference[] = []
  const at = { records: 0, recordsTotal: 0 }
  const stateOf = ({ tally }: RecoveryRun): ReplayState => ({ step: '', ...at, ...tally.counts })
  const build = async (run: RecoveryRun): Promise<number> => {
    const progress = new ReplayProgress(output, () => stateOf(run))
    try {
      completed = await run.reconcile(({ phase, records, recordsTotal }) => {
        if (phase !== 'done') Object.assign(at, { records, recordsTotal })
        progress.begin(phase)
      })
      progress.begin('settle')
      await run.settle(waitMs)
      return exitCodeOfCounts(run.tally.counts)
    } finally {
      progress.stop()
    }
  }
  const work = async (run: RecoveryRun): Promise<number> => {
    const code = await (dry ? compare(run, output) : build(run))
    const hidden = await run.hidden()
    for (const range of hidden) output.note(describeHidden(range))
    return hidden.length > 0 ? EXIT_CODE.failed : code
  }
  await runRecovery(output, perSecond === undefined ? {} : { perSecond }, work, (run) => {
    const seconds = Math.round(performance.now() - startedAtMs) / 1_000
    if (dry) return
    const { read, owed, sent, failed, parked, open } = run.tally.counts
    const { missing: registered, settled: removed } = countsOf(completed)
    summarize(output, { registered, removed, read, owed, sent, failed, parked, open, seconds })
    if (parked > 0) output.note(`${parked} are parked: relays retry them until their deadline`)
  })
}

async function compare(run: RecoveryRun, output: Output): Promise<number> {
  const difference = run.difference()
  const progress = new ReplayProgress(output, () => {
    const { records, recordsTotal } = difference
    return { step: '', records, recordsTotal, ...run.tally.counts }
  })
  progress.begin('compare')
  const found = await difference.find(run.outageBudget.signal).finally(() => progress.stop())
  if (difference.disbelieved.count > 0) output.note(describeDisbelieved(difference.disbelieved))
  output.rows(columns, found.map(rowOf), 'Redis agrees with the topic')
  const counts = countsOf(found)
  summarize(output, { registrations: difference.registrations, ...counts })
  return counts.missing + counts.settled > 0 ? EXIT_CODE.failed : EXIT_CODE.ok
}

function countsOf(found: readonly Difference[]) {
  const count = (kind: Difference['difference']) => found.filter((it) => it.difference === kind).length
  return { missing: count('missing'), settled: count('settled'), unlogged: count('unlogged') }
}

function rowOf({ difference, sessionId, oidcSessionId, clientId }: Difference) {
  return { step: 'difference', difference, session: sessionId, oidcSession: oidcSessionId, client: clientId }
}
