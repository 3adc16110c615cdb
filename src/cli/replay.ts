import { type Command, Option } from 'commander'
import type { RecoveryRun } from '../app/recovery-run.ts'
import { layout, readConfigPart } from '../config/config.ts'
import type { FailureReason } from '../events/outcome.ts'
import { describeHidden } from '../intake/log-reader.ts'
import { systemClock } from '../lib/clock.ts'
import { RelayFault } from '../lib/errors.ts'
import { type RequestedRange, resolveRange } from '../recovery/replay-range.ts'
import { RedisBacklogView } from '../redis/redis-backlog-view.ts'
import { RedisKeys } from '../redis/redis-keys.ts'
import { RedisSessionView } from '../redis/redis-session-view.ts'
import { EXIT_CODE } from './exit-code.ts'
import { noteOtherMode } from './other-mode.ts'
import { Output } from './output.ts'
import { OwedList } from './owed-list.ts'
import { reads } from './reads.ts'
import { type RecoverySite, recoveryLayout, runRecovery } from './recovery-command.ts'
import { checkAlone, deadLettersLayout, sendDeadLetters } from './replay/send-dead-letters.ts'
import { filterOf, type ReplayArguments, rangeOf, rateOf, TRIGGER_TYPES } from './replay-arguments.ts'
import { exitCodeOfCounts, ReplayProgress, type ReplayState, summarize } from './replay-progress.ts'
import { parseDuration, sameAs } from './time-argument.ts'
import { unknownNames } from './unknown-names.ts'

/** Asked for by name, it needs no `--discarded`. */
const DISCARDED: FailureReason = 'discarded'

interface ReplayCommandOptions extends ReplayArguments {
  readonly deadLetters?: boolean
  readonly dryRun?: boolean
  readonly wait?: string
  readonly json?: boolean
}

const examples = `
Examples:
  logout-relay replay --from 2h --dry-run               list what is still owed
  logout-relay replay --from 2026-01-31T09:00:00Z --rate 100
  logout-relay replay --offsets session-events:0:1200-1500 --client shop
  logout-relay replay --from 1d --failed --client shop  retry failed deliveries
  logout-relay replay --from 1d --failed --reason expired
  logout-relay replay --from 1d --dead-letters          send dead letters again

It parks owed deliveries; the relays of ${layout.kafka.groupId} send them. It then
follows their outcomes.

Exit codes: 0 every owed delivery is sent; 1 one failed or is still parked,
nobody knows the session, user, client or issuer, or an open transaction of
another producer hides records; 2 wrong usage; 3 Kafka or Redis is unreachable;
130 interrupted. It uses the configuration of serve, without signing keys.`

/** `replay`: a range of the topic, run again. */
export function addReplay(program: Command): void {
  reads(program.command('replay'), recoveryLayout, deadLettersLayout)
    .description('run a range of the topic again: park only what is still owed, for the relays')
    .option('--from <time>', 'start of the range: 90s, 15m, 2h, 3d ago, or ISO 8601 with a time zone')
    .addOption(sameAs('--since <time>', 'from'))
    .option('--to <time>', 'end of the range (default: the current end of the topic)')
    .option(
      '--offsets <range>',
      'topic:partition:first-last instead of times; may be repeated',
      (it: string, all: string[] = []) => [...all, it],
    )
    .option('--failed', 'retry deliveries that failed in the range and were not sent since')
    .option('--discarded', 'with --failed: also deliveries that an operator discarded')
    .option('--dead-letters', 'send the dead letters of the range to their topics again')
    .option('--dry-run', 'list what is still owed, and to whom; change nothing')
    .addOption(new Option('--type <type>', 'only triggers of this type').choices(TRIGGER_TYPES))
    .option(
      '--reason <reason>',
      'only triggers with this reason; with --failed: only failures for this reason',
    )
    .option('--issuer <issuer>', 'only of this issuer')
    .option('--session <id>', 'only of this session')
    .option('--user <id>', 'only of this user')
    .option('--client <id>', 'only to this RP')
    .option('--rate <n>', 'maximum deliveries per second')
    .option(
      '--wait <duration>',
      `how long to wait for the outcomes (default: ${layout.delivery.lateAfterMs}, while a relay runs)`,
    )
    .option('--json', 'lines of JSON: progress, what is owed and the summary')
    .addHelpText('after', examples)
    .action(replay)
}

async function replay(options: ReplayCommandOptions): Promise<void> {
  const startedAtMs = performance.now()
  // By a clock that is not that of the relays yet.
  const range = rangeOf(options, systemClock.now(), { mayBeFuture: true })
  const output = new Output(options.json === true)
  if (options.deadLetters === true) {
    checkAlone(options as Readonly<Record<string, unknown>>)
    return sendDeadLetters(range, options.dryRun === true, output)
  }
  const filter = filterOf(options)
  const perSecond = rateOf(options.rate)
  const waitMs = options.wait === undefined ? undefined : parseDuration(options.wait, '--wait')
  if (readConfigPart(layout.mode) === 'shadow')
    throw new RelayFault(
      'LR_USAGE',
      'replay: MODE is shadow, where nothing is owed and nothing is sent; set MODE=live for what live relays owe',
    )
  const dry = options.dryRun === true
  const work = async (run: RecoveryRun, site: RecoverySite): Promise<number> => {
    const progress = new ReplayProgress(output, () => stateOf(run))
    try {
      await run.requireRegistry()
      progress.begin('read')
      const list = new OwedList(output, run.tally, (selected) => run.deadlineOf(selected))
      await run.replay.run({
        range: rangeOf(options, systemClock.now()),
        failed: options.failed === true,
        discarded: options.discarded === true || options.reason === DISCARDED,
        ...(dry && { list: (owed) => list.add(owed) }),
      })
      progress.begin(dry ? 'read' : 'settle')
      if (!dry) await run.settle(waitMs)
      progress.stop()
      if (dry) list.end()
      await noteOtherMode(output, site.redis, new RedisKeys(site.config.redis.prefix, site.config.mode))
      if (run.replay.hidden.length > 0) return EXIT_CODE.failed
      const unknown = await unknownIn(run, site, range, options)
      if (unknown.length > 0) {
        output.fail(
          `nobody knows ${unknown.join(', ')}: there is no registration or outcome in Redis, nor on the topic in this range`,
        )
        return EXIT_CODE.failed
      }
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
    summarize(
      output,
      dry ? found : { ...found, sent, failed, parked, open, seconds },
      options.failed === true ? { read: 'FAILURES READ' } : {},
    )
    if (run.replay.forged > 0)
      output.note(
        `${run.replay.forged} failed outcomes are ignored: the topic has no such trigger, or the RP was never registered with that address`,
      )
    for (const range of run.replay.hidden) output.note(describeHidden(range))
    if (left > 0) output.note(`${left} records are left to the relays, because they are not committed yet`)
    if (parked > 0) output.note(`${parked} are parked: relays retry them until their deadline`)
  })
}

/** A misspelt name is owed nothing either. */
async function unknownIn(
  { decoders, reader, tally }: RecoveryRun,
  { config, filter, inputs, issuers, redis }: RecoverySite,
  range: RequestedRange,
  { failed }: ReplayCommandOptions,
): Promise<string[]> {
  const { matching, owed } = tally.counts
  if (owed > 0 || (failed === true && matching > 0)) return []
  const keys = new RedisKeys(config.redis.prefix)
  const { outcomeTopic } = config.kafka
  const topics = inputs.names
  const read =
    range.kind === 'time' ? [...new Set([...topics, outcomeTopic])] : failed ? [outcomeTopic] : topics
  return unknownNames(filter, {
    decoders,
    reader,
    issuers: filter.issuer === undefined ? Array.from(issuers.known(), ({ id }) => id) : [filter.issuer],
    isIssuer: (issuer) => issuers.get(issuer) !== undefined,
    isConfigured: (issuer, client) =>
      issuers.get(issuer)?.settings.clients.some(({ clientId }) => clientId === client) === true,
    sessions: new RedisSessionView(redis, keys),
    backlog: new RedisBacklogView(redis, keys),
    ranges: await resolveRange(range, read, reader),
  })
}

function stateOf({ tally, replay }: RecoveryRun): ReplayState {
  return { step: '', records: replay.records, recordsTotal: replay.recordsTotal, ...tally.counts }
}
