import type { ChaosRun } from '../chaos-run.ts'
import { hostileRecord } from '../hostile-records.ts'
import { holdsWithin } from '../poll.ts'
import type { Scenario } from '../scenario.ts'

const HOSTILE_PER_GOOD = 10
const GOOD_PER_CHUNK = 100

/** Outcomes have a topic of their own here, so that every record of the input topic can be accounted for. */
export const hostileRecords: Scenario = {
  name: 'hostile-records-stop-nothing',
  fault:
    'ten hostile records, fuzzed from valid ones, for each good one (100,000 and 10,000 in the long form)',
  deliveries: { long: 50_000, short: 1_500 },
  scenery: { ownOutcomeTopic: true },
  async run(run) {
    const { log, name, relays } = run.site
    await relays.start(1)
    const triggers = run.end()
    for (let start = 0; start < triggers.length; start += GOOD_PER_CHUNK) {
      const mixed = triggers.slice(start, start + GOOD_PER_CHUNK).flatMap((trigger) => {
        const hostile = Array.from({ length: HOSTILE_PER_GOOD }, () => hostileRecord(run.random))
        return [...hostile, trigger]
      })
      await log.publish(name, mixed)
    }
    run.say('all records are on the topic')
    // The counters are in the memory of the relay, so they are read before it leaves.
    await holdsWithin(async () => (await log.lag(name, name)) === 0, run.settings.settleMs)
    await account(run)
  },
}

/** Every record was taken up, skipped, or is in the dead-letter topic: no more and no less. */
async function account({ problems, say, site: { log, name, relays } }: ChaosRun): Promise<void> {
  const ends = await log.endOffsets(name)
  const records = [...ends.values()].reduce((sum, end) => sum + end, 0)
  // What is refused has its dead letter.
  const accepted =
    (await relays.metric('triggers_total')) - (await relays.metric('triggers_total', { result: 'refused' }))
  const skipped = await relays.metric('records_skipped_total')
  const counted = await relays.metric('dead_letters_total')
  const letters = new Set<string>()
  let repeated = 0
  await log.readAll(`${name}.dead-letter`, ({ headers }) => {
    const position = `${headers['dead-letter-partition']}/${headers['dead-letter-offset']}`
    if (letters.has(position)) repeated++
    letters.add(position)
  })
  const sums = `${records} records: ${accepted} accepted, ${skipped} skipped, ${letters.size} dead letters`
  say(sums)
  if (accepted + skipped + letters.size !== records) problems.push(`they do not add up: ${sums}`)
  if (counted !== letters.size)
    problems.push(`${counted} dead letters were counted, ${letters.size} are there`)
  if (repeated > 0) problems.push(`${repeated} dead letters are there twice`)
}
