import type { Command } from 'commander'
import type { RecoveryRun } from '../app/recovery-run.ts'
import { describeHidden } from '../intake/log-reader.ts'
import { describeDisbelieved } from '../recovery/believed-outcomes.ts'
import type { Difference } from '../recovery/registry-difference.ts'
import { EXIT_CODE } from './exit-code.ts'
import { Output } from './output.ts'
import { runRecovery } from './recovery-command.ts'
import { rateOf } from './replay-arguments.ts'
import { exitCodeOfCounts, ReplayProgress, type ReplayState, summarize } from './replay-progress.ts'
import { parseDuration } from './time-argument.ts'

interface ReconcileOptions {
  readonly dryRun?: boolean
  readonly rate?: string
  readonly wait?: string
  readonly json?: boolean
}

const examples = `
Examples:
  logout-relay reconcile --dry-run     how Redis differs from the topic
  logout-relay reconcile               complete Redis from the topic; relays may go on meanwhile

What is owed is parked, and delivered by the relays of KAFKA_GROUP_ID.

Exit codes: 0 done, or nothing differs; 1 a delivery failed or is still parked, or with --dry-run something is missing
or settled, or records could not be looked at, because another producer's transaction is open before them; 2 usage,
3 Kafka or Redis out of reach, 130 interrupted. The configuration is that of serve, without its keys.`

/** `reconcile`: Redis, built from the topic. */
export function addReconcile(program: Command): void {
  program
    .command('reconcile')
    .description('build the registrations in Redis from the topic, and give the relays what is still owed')
    .option('--dry-run', 'list how Redis differs from the topic; nothing is parked or written')
    .option('--rate <n>', 'at most so many deliveries per second')
    .option(
      '--wait <duration>',
      'wait so long for the outcomes (default: RETRY_DEADLINE_MS, while a relay runs)',
    )
    .option('--json', 'lines of JSON also on a terminal')
    .addHelpText('after', examples)
    .action(reconcile)
}

async function reconcile(options: ReconcileOptions): Promise<void> {
  const startedAtMs = performance.now()
  const perSecond = rateOf(options.rate)
  const waitMs = options.wait === undefined ? undefined : parseDuration(options.wait, '--wait')
  const dry = options.dryRun === true
  const output = new Output(options.json === true || process.stdout.isTTY !== true)
  let repaired: readonly Difference[] = []
  const at = { records: 0, recordsTotal: 0 }
  const stateOf = ({ tally }: RecoveryRun): ReplayState => ({ step: '', ...at, ...tally.counts })
  const build = async (run: RecoveryRun): Promise<number> => {
    const progress = new ReplayProgress(output, () => stateOf(run))
    try {
      repaired = await run.reconcile(({ phase, records, recordsTotal }) => {
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
    const { missing: registered, settled: removed } = countsOf(repaired)
    summarize(output, { registered, removed, read, owed, sent, failed, parked, open, seconds })
    if (parked > 0) output.note(`${parked} are parked: relays go on with them until their deadline`)
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
  const titles = ['difference', 'session', 'oidcSession', 'client'] as const
  output.rows(
    titles.map((title) => ({ title, cell: (row: ReturnType<typeof rowOf>) => row[title] })),
    found.map(rowOf),
    'Redis holds what the topic says',
  )
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
