import type { Scenario } from './scenario.ts'
import { addedPartitions } from './scenarios/added-partitions.ts'
import { lostBroker, movedLeader } from './scenarios/broker-failover.ts'
import { expiredOffsets, recreatedTopic, transactions, trimmedLog } from './scenarios/ends-of-the-log.ts'
import { firstStart } from './scenarios/first-start.ts'
import { frozenRelay } from './scenarios/frozen-relay.ts'
import { hostileRecords } from './scenarios/hostile-records.ts'
import { illRelyingParties } from './scenarios/ill-relying-parties.ts'
import { joiningAndLeaving } from './scenarios/joining-and-leaving.ts'
import { killedRelays } from './scenarios/killed-relays.ts'
import { laggingReplica } from './scenarios/lagging-replica.ts'
import { emptiedRedis, flushedRedis, frozenRedis, restartedRedis } from './scenarios/lost-redis.ts'
import { refusedOutcomes } from './scenarios/refused-outcomes.ts'
import { rollingIssuers } from './scenarios/rolling-issuers.ts'
import { rollingRestart } from './scenarios/rolling-restart.ts'
import { deadBroker, frozenBroker } from './scenarios/single-broker.ts'

/** Relays and RPs suffer, Kafka and Redis do not. */
export const relayFaults: readonly Scenario[] = [
  killedRelays,
  joiningAndLeaving,
  rollingRestart,
  rollingIssuers,
  frozenRelay,
  illRelyingParties,
  hostileRecords,
  refusedOutcomes,
  addedPartitions,
]

/** Where the log begins, ends, or is not what it was. */
export const logFaults: readonly Scenario[] = [
  transactions,
  expiredOffsets,
  trimmedLog,
  recreatedTopic,
  firstStart,
]

/** Those on one broker first, because a cluster of three takes its time to start. */
export const backendFaults: readonly Scenario[] = [
  emptiedRedis,
  flushedRedis,
  frozenRedis,
  restartedRedis,
  laggingReplica,
  deadBroker,
  frozenBroker,
  lostBroker,
  movedLeader,
]

/** In the order in which they run. */
export const scenarios: readonly Scenario[] = [...relayFaults, ...logFaults, ...backendFaults]
