import { setTimeout as delay } from 'node:timers/promises'
import { inputRecord } from '../../support/input-record.ts'
import { PARTITIONS } from '../chaos-site.ts'
import type { ByForm, Scenario } from '../scenario.ts'

const RELAYS = 2
const HELD_MS = 1_500
/** In a partition: more than a relay fetches of it at once. */
const NOISE_RECORDS = 400
const NEVER_SKIP = { KAFKA_START_FROM: 'latest' }
const LATEST: ByForm<Readonly<Record<string, string>>> = { long: NEVER_SKIP, short: NEVER_SKIP }

/** The broker forgets a group that has had no members for days. Where it was is known to the relays all the same. */
export const expiredOffsets: Scenario = {
  name: 'expired-offsets-skip-nothing',
  fault: 'the offsets of the group expire while no relay runs, and users log out meanwhile',
  deliveries: { long: 10_000, short: 1_500 },
  scenery: { env: LATEST },
  async run(run) {
    const { log, name, relays } = run.site
    await relays.start(RELAYS)
    await run.publish({ to: 0.3 })
    await run.delivered(0.3)
    await relays.stopAll()
    await log.forgetOffsets(name)
    run.say('the group is forgotten')
    await run.publish({ from: 0.3, to: 0.7 })
    await relays.start(RELAYS)
    await run.publish({ from: 0.7 })
  },
}

/** What retention took was none of ours; what it left must be told. */
export const trimmedLog: Scenario = {
  name: 'trimmed-log-is-read-from-what-is-left',
  fault: 'retention passes the position of the group while no relay runs',
  deliveries: { long: 10_000, short: 1_500 },
  scenery: { env: LATEST, ownOutcomeTopic: true },
  async run(run) {
    const { log, name, relays } = run.site
    await relays.start(RELAYS)
    await run.publish({ to: 0.3 })
    await run.delivered(0.3)
    await run.caughtUp()
    await relays.stopAll()
    await log.publish(name, noise())
    await log.trim(name)
    run.say('the log is trimmed')
    await run.publish({ from: 0.3, to: 0.7 })
    await relays.start(RELAYS)
    await run.publish({ from: 0.7 })
  },
}

export const recreatedTopic: Scenario = {
  name: 'recreated-topic-is-read-from-its-beginning',
  fault: 'the topic is deleted and created anew, while relays run and while none does',
  deliveries: { long: 10_000, short: 1_500 },
  scenery: { env: LATEST, ownOutcomeTopic: true },
  async run(run) {
    const { log, name, relays } = run.site
    await relays.start(RELAYS)
    await run.publish({ to: 0.3 })
    await run.delivered(0.3)
    await run.caughtUp()
    await log.recreateTopic(name, PARTITIONS)
    run.say('the topic is another one')
    await run.publish({ from: 0.3, to: 0.6 })
    await run.delivered(0.6)
    await run.caughtUp()
    await relays.stopAll()
    await log.recreateTopic(name, PARTITIONS)
    run.say('the topic is another one again')
    // Longer than the one before, so that the old position lies within it.
    await run.publish({ from: 0.6 })
    await log.publish(name, noise())
    await relays.start(RELAYS)
  },
}

/** Of somebody else's transactions the relays see nothing but what is committed, and read past everything else. */
export const transactions: Scenario = {
  name: 'transactions-stop-nothing',
  fault: 'transactions are aborted, committed, and left open for a while, in every partition',
  deliveries: { long: 10_000, short: 1_500 },
  async run(run) {
    const { log, name, relays } = run.site
    await relays.start(RELAYS)
    await run.publish({ to: 0.2 })
    await run.delivered(0.2)
    await run.caughtUp()
    await log.publishAborted(name, noise(1))
    // So that what ends it is fetched alone.
    await delay(HELD_MS)
    await run.publish({ from: 0.2, to: 0.4 })
    run.say('a transaction is committed')
    await (await log.openTransaction(name, run.end({ from: 0.4, to: 0.6 }))).end('commit')
    await delay(HELD_MS)
    const open = await log.openTransaction(name, noise())
    await run.publish({ from: 0.6, to: 0.8 })
    run.say('a transaction is open')
    await delay(HELD_MS)
    await open.end('abort')
    await run.publish({ from: 0.8 })
  },
}

/** Records that mean nothing to a relay, in every partition. */
function noise(perPartition = NOISE_RECORDS) {
  return Array.from({ length: perPartition * PARTITIONS }, (_, i) => ({
    ...inputRecord('user-created', { userId: `nobody-${i}` }),
    partition: i % PARTITIONS,
  }))
}
