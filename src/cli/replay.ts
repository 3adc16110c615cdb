import type { Command } from 'commander'
import type { RecoveryRun } from '../app/recovery-run.ts'
import { describeHidden } from '../intake/log-reader.ts'
import { EXIT_CODE } from './exit-code.ts'
import { Output } from './output.ts'
import { OwedList } from './owed-list.ts'
import { runRecovery } from './recovery-command.ts'
import { checkAlone, sendDeadLetters } from './replay/send-dead-letters.ts'
import { filterOf, type ReplayArguments, rangeOf, rateOf } from './replay-arguments.ts'
import { exitCodeOfCounts, ReplayProgress, type ReplayState, summarize } from './replay-progress.ts'
import { parseDuration } from './time-argument.ts'

interface ReplayCommandOptions extends ReplayArguments {
  readonly deadLetters?: boolean
  readonly dryRun?: boolean
  readonly wait?: string
  readonly json?: boolean
}

const examples = `
Examples:
  logout-relay replay --from 2h --dry-run                  what of the last two hours is still owed, and to whom
  logout-relay replay --from 2026-01-31T09:00:00Z --to 2026-01-31T10:00:00Z --rate 100
  logout-relay replay --offsets session-events:0:1200-1500 --client shop
  logout-relay replay --from 1d --failed --client shop     what ended in failed, once more
  logout-relay replay --from 1d --dead-letters             records that could not be carried out, once more

What is owed is parked, and delivered by the relays of KAFKA_GROUP_ID; the command follows what becomes of it.

Exit codes: 0 everything that was owed is sent, 1 something failed or is still parked, or could not be looked at because
another producer's transaction is open before it, 2 usage, 3 Kafka or Redis out of reach, 130 interrupted. The
configuration is that of serve, without its keys.`

/** `replay`: a range of the topic, run again. */
export function addReplay(program: Command): void {
  program
    .command('replay')
    .description('run a range of the topic again: the relays are given what is still owed, nothing else')
    .option('--from <time>', 'from then on: 90s, 15m, 2h, 3d back from now, or ISO 8601 with its zone')
    .option('--to <time>', 'up to then (default: the end of the topic as it is now)')
    .option(
      '--offsets <range>',
      'topic:partition:first-last instead of times; may be repeated',
      (it: string, all: string[] = []) => [...all, it],
    )
    .option('--failed', 'deliver again what ended in `failed` in the range, and was not sent since')
    .option('--discarded', 'with --failed: also what an operator discarded')
    .option('--dead-letters', 'put the dead letters of the range back on the topics that they came from')
    .option('--dry-run', 'list what is still owed, and to whom; nothing is parked or written')
    .option('--type <type>', 'only triggers of that type: session-terminated, user-signed-out')
    .option('--issuer <issuer>', 'only of that issuer')
    .option('--session <id>', 'only of that session of the provider')
    .option('--user <id>', 'only of that user')
    .option('--client <id>', 'only to that relying party')
    .option('--rate <n>', 'at most so many deliveries per second')
    .option(
      '--wait <duration>',
      'wait so long for the outcomes (default: RETRY_DEADLINE_MS, while a relay runs)',
    )
    .option('--json', 'lines of JSON also on a terminal')
    .addHelpText('after', examples)
    .action(replay)
}

async function replay(options: ReplayCommandOptions): Promise<void> {
  const startedAtMs = performance.now()
  const range = rangeOf(options, Date.now())
  const output = new Output(options.json === true || process.stdout.isTTY !== true)
  if (options.deadLetters === true) {
    checkAlone(options as Readonly<Record<string, unknown>>)
    return sendDeadLetters(range, options.dryRun === true, output)
  }
  const filter = filterOf(options)
  const perSecond = rateOf(options.rate)
  const waitMs = options.wait === undefined ? undefined : parseDuration(options.wait, '--wait')
  const dry = options.dryRun === true
  const work = async (run: RecoveryRun): Promise<number> => {
    const progress = new ReplayProgress(output, () => stateOf(run))
    try {
      await run.requireRegistry()
      progress.begin('read')
      const list = new OwedList(output, run.tally)
      await run.replay.run({
        range,
        failed: options.failed === true,
        discarded: options.discarded === true,
        ...(dry && { list: (owed) => list.add(owed) }),
      })
      progress.begin(dry ? 'read' : 'settle')
      if (!dry) await run.settle(waitMs)
      progress.stop()
      if (dry) list.end()
      if (run.replay.hidden.length > 0) return EXIT_CODE.failed
      return dry ? EXIT_CODE.ok : exitCodeOfCounts(run.tally.counts)
    } finally {
      progress.stop()
    }
  }
  await runRecovery(output, { filter, ...(perSecond !== undefined && { perSecond }) }, work, (run) => {
    const seconds = Math.round(performance.now() - startedAtMs) / 1_000
    const left = run.replay.recordsLeft
    const { read, matching, skipped, owed, sent, failed, parked, open } = run.tally.counts
    const found = { read, matching, skipped, left, owed }
    // A dry run has sent nothing, so it tells nothing about that.
    summarize(output, dry ? found : { ...found, sent, failed, parked, open, seconds })
    if (run.replay.forged > 0)
      output.note(
        `${run.replay.forged} failed outcomes are not believed, and nothing is sent for them: the log holds no such trigger, or the RP was never registered with that address`,
      )
    for (const range of run.replay.hidden) output.note(describeHidden(range))
    if (left > 0) output.note(`${left} records are not committed by the relays yet, and left to them`)
    if (parked > 0) output.note(`${parked} are parked: relays go on with them until their deadline`)
  })
}

function stateOf({ tally, replay }: RecoveryRun): ReplayState {
  return { step: '', records: replay.records, recordsTotal: replay.recordsTotal, ...tally.counts }
}
