import type { Scenario } from '../scenario.ts'

const PARTITIONS_AFTER = 12

export const addedPartitions: Scenario = {
  name: 'added-partitions-are-read',
  fault: 'partitions added to the topic while it is read',
  deliveries: { long: 10_000, short: 1_500 },
  async run(run) {
    const { log, name, relays } = run.site
    await relays.start(2)
    await run.publish({ to: 0.4 })
    await run.delivered(0.2)
    await log.addPartitions(name, PARTITIONS_AFTER)
    run.say('partitions added')
    await run.publish({ from: 0.4 })
  },
}
