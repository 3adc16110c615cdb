import { readiness } from '../support/readiness.ts'
import type { RelayProcess } from '../support/relay-process.ts'
import type { ChaosRun } from './chaos-run.ts'
import { type OutcomeBook, readOutcomeBook } from './outcome-book.ts'
import { holdsWithin } from './poll.ts'
import { countRegistrations, expectedOf, REGISTRATIONS_PER_SESSION } from './workload.ts'

/** One that was started just now has to become a member of the group first. */
const READY_MS_MAX = 30_000

/** What was found when everything had had its time. */
export interface Findings {
  readonly deliveries: number
  readonly missing: number
  readonly missingSample: readonly string[]
  readonly duplicates: number
  readonly duplicatesMax: number
  /** Accepted tokens that nobody owed, and tokens that an RP had to refuse. */
  readonly wrong: number
  readonly outcomes: OutcomeBook
  /** Keys of parked deliveries in Redis. */
  readonly backlogKeys: readonly string[]
  /** Registrations in Redis of sessions that have ended, by what we have written ourselves. */
  readonly aliveThoughEnded: number
  /** Registrations that are not in Redis, of sessions that we have not ended. */
  readonly goneThoughAlive: number
  /** What the relays that do not call themselves ready say, when everything has had its time. */
  readonly notReady: readonly string[]
  /** Records that the group has not committed. */
  readonly lag: number
  readonly unexpectedExits: readonly string[]
  /** Sentences; empty when every invariant holds. */
  readonly violations: readonly string[]
}

/**
 * Waits for the ends that must come, orders the relays to leave, and looks at everything that is outside of them:
 * the book of the relying parties, the topic, Redis, the offsets of the group, the exit codes.
 */
export async function verifyInvariants(run: ChaosRun): Promise<Findings> {
  const { ledger, log, name, outcomeTopic, redis, relays } = run.site
  const { ended, living } = run
  const owed = ended.length * REGISTRATIONS_PER_SESSION
  const isDelivered = await holdsWithin(
    async () => (await ledger.summary()).distinct >= owed,
    run.settings.settleMs,
  )
  // What does not come to an end now will not; the rest of the time would be lost.
  const settleMs = isDelivered ? run.settings.settleMs : run.settings.settleMs / 4
  let lag = Number.NaN
  let backlogKeys: string[] = []
  await holdsWithin(async () => {
    lag = await log.lag(name, name)
    backlogKeys = await redis.keys(`${name}:backlog*`)
    return lag === 0 && backlogKeys.length === 0
  }, settleMs)
  const notReady = await whatIsNotReady(relays.running)
  await relays.stopAll()

  const book = await ledger.expect(expectedOf(ended))
  const summary = await ledger.summary()
  const found = {
    deliveries: book.expected,
    missing: book.missing,
    missingSample: book.missingSample,
    duplicates: book.duplicates,
    duplicatesMax: run.duplicatesMax,
    wrong: book.unexpected + summary.invalid + summary.repeatedJti,
    outcomes: await readOutcomeBook(log, outcomeTopic, ended),
    backlogKeys,
    aliveThoughEnded: await countRegistrations(redis, name, ended),
    goneThoughAlive:
      living.length * REGISTRATIONS_PER_SESSION - (await countRegistrations(redis, name, living)),
    notReady,
    lag,
    unexpectedExits: relays.unexpectedExits,
  }
  return { ...found, violations: [...violationsOf(found), ...run.problems] }
}

async function whatIsNotReady(relays: readonly RelayProcess[]): Promise<string[]> {
  const answers = await Promise.all(
    relays.map(async (relay) => {
      let answer: { status: number; body?: unknown } = { status: 0 }
      const isReady = async () => {
        answer = await readiness(relay.url)
        return answer.status === 200
      }
      return (await holdsWithin(isReady, READY_MS_MAX)) ? [] : [JSON.stringify(answer)]
    }),
  )
  return answers.flat()
}

function violationsOf(found: Omit<Findings, 'violations'>): string[] {
  const { backlogKeys, duplicates, duplicatesMax, lag, missing, outcomes, wrong } = found
  const violations: string[] = []
  const must = (holds: boolean, sentence: string) => {
    if (!holds) violations.push(sentence)
  }
  must(missing === 0, `${missing} deliveries never arrived: ${found.missingSample.join('; ')}`)
  must(duplicates <= duplicatesMax, `${duplicates} deliveries too many, ${duplicatesMax} allowed`)
  must(wrong === 0, `${wrong} tokens were refused by their RP or owed to nobody`)
  must(
    outcomes.missing === 0,
    `${outcomes.missing} deliveries have no outcome: ${outcomes.missingSample.join('; ')}`,
  )
  must(
    outcomes.ambiguous === 0,
    `${outcomes.ambiguous} deliveries have several outcome ids: ${outcomes.ambiguousSample.join('; ')}`,
  )
  must(outcomes.failed === 0, `${outcomes.failed} deliveries ended as failed`)
  must(outcomes.unexpected === 0, `${outcomes.unexpected} outcomes belong to nothing that was owed`)
  must(backlogKeys.length === 0, `left in the backlog: ${backlogKeys.slice(0, 5).join(', ')}`)
  must(
    found.aliveThoughEnded === 0,
    `${found.aliveThoughEnded} registrations live on, their sessions have ended`,
  )
  must(found.goneThoughAlive === 0, `${found.goneThoughAlive} registrations are gone, their sessions live`)
  must(found.notReady.length === 0, `not ready at the end: ${found.notReady.join('; ')}`)
  must(lag === 0, `the group is ${lag} records behind the end of the topic`)
  violations.push(...found.unexpectedExits)
  return violations
}
