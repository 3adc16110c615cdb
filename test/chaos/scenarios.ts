import type { Scenario } from './scenario.ts'
import { addedPartitions } from './scenarios/added-partitions.ts'
import { lostBroker, movedLeader } from './scenarios/broker-failover.ts'
import { frozenRelay } from './scenarios/frozen-relay.ts'
import { hostileRecords } from './scenarios/hostile-records.ts'
import { illRelyingParties } from './scenarios/ill-relying-parties.ts'
import { joiningAndLeaving } from './scenarios/joining-and-leaving.ts'
import { killedRelays } from './scenarios/killed-relays.ts'
import { emptiedRedis, flushedRedis, frozenRedis, restartedRedis } from './scenarios/lost-redis.ts'
import { refusedOutcomes } from './scenarios/refused-outcomes.ts'
import { rollingRestart } from './scenarios/rolling-restart.ts'
import { deadBroker, frozenBroker } from './scenarios/single-broker.ts'

/** In the order in which they run: those on one broker first, because a cluster of three takes its time to start. */
export const scenarios: readonly Scenario[] = [
  killedRelays,
  joiningAndLeaving,
  rollingRestart,
  frozenRelay,
  illRelyingParties,
  hostileRecords,
  refusedOutcomes,
  addedPartitions,
  emptiedRedis,
  flushedRedis,
  frozenRedis,
  restartedRedis,
  deadBroker,
  frozenBroker,
  lostBroker,
  movedLeader,
]
