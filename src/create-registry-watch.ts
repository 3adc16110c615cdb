import type { Config } from './config/env.ts'
import type { Backlog } from './delivery/backlog.ts'
import type { DeliveryCore } from './delivery/delivery-core.ts'
import type { EdgeNotes } from './diagnosis/edge-notes.ts'
import type { Assignment } from './intake/assignment.ts'
import type { Pipeline } from './intake/pipeline.ts'
import type { Clock } from './lib/clock.ts'
import type { Readiness } from './readiness.ts'
import { describeDisbelieved } from './recovery/believed-outcomes.ts'
import type { LogReader } from './recovery/log-reader.ts'
import { ParkAgain } from './recovery/park-again.ts'
import { Rebuild } from './recovery/rebuild.ts'
import { RegistryWatch } from './recovery/registry-watch.ts'
import { StoreFromLog } from './recovery/store-from-log.ts'
import { RedisEpochStore } from './redis/redis-epoch-store.ts'
import { RedisRecoveryRegistry } from './redis/redis-recovery-registry.ts'
import { RedisRegistry, type RedisRegistryOptions } from './redis/redis-registry.ts'
import type { EpochGuard } from './registry/epoch-guard.ts'
import type { RelayEvents } from './telemetry/relay-events.ts'

export interface RegistryWatchParts {
  readonly assignment: Assignment
  readonly backlog: Backlog
  readonly clock: Clock
  readonly config: Config
  readonly core: DeliveryCore
  readonly edges: EdgeNotes
  readonly events: RelayEvents
  readonly guard: EpochGuard
  readonly pipeline: Pipeline
  readonly readiness: Readiness
  readonly reader: LogReader
  /** Without a guard: the registry is built before there is an epoch. */
  readonly registry: Omit<RedisRegistryOptions, 'guard'>
}

/** What notices that Redis has lost the registry or fallen behind, and completes it from the log. */
export function createRegistryWatch(parts: RegistryWatchParts): RegistryWatch {
  const {
    assignment,
    backlog,
    clock,
    config,
    core,
    edges,
    events,
    guard,
    pipeline,
    readiness,
    reader,
    registry,
  } = parts
  const epoch = new RedisEpochStore(registry.redis, registry.keys)
  const again = new ParkAgain({
    backlog,
    clock,
    admission: core.admission,
    deadlineMs: config.RETRY_DEADLINE_MS,
    settlement: core.settlement,
  })
  const rebuild = new Rebuild({
    clock,
    epoch,
    reader,
    formats: pipeline.decoders,
    groupId: config.KAFKA_GROUP_ID,
    inputTopics: config.KAFKA_TOPICS,
    onForgotten: (starts) => {
      for (const { topic, partition, offset: position } of starts)
        edges.positionPassed({ topic, partition, position, wanted: position, why: 'forgotten' })
    },
    onDisbelieved: (outcomes) => edges.outcomesDisbelieved(describeDisbelieved(outcomes)),
    onLacked: (starts) => {
      for (const { topic, partition, low: position, lackedFrom: wanted } of starts)
        edges.positionPassed({ topic, partition, position, wanted, why: 'lacked' })
    },
    onProgress: (progress) => {
      readiness.rebuilt(progress)
      events.rebuilding(progress)
    },
    outcomeTopic: config.KAFKA_OUTCOME_TOPIC,
    own: () =>
      [...assignment.lanes].map(({ topic, partition, tracker }) => ({
        topic,
        partition,
        next: tracker.next,
      })),
    startFrom: config.KAFKA_START_FROM,
    store: new StoreFromLog({
      clock,
      pipeline,
      deadlineMs: config.RETRY_DEADLINE_MS,
      recovery: new RedisRecoveryRegistry(registry),
      registry: new RedisRegistry(registry),
      sessionLifetimeMs: config.SESSION_LIFETIME_MS,
      tombstoneMs: config.TOMBSTONE_MS,
      runAgain: (triggers, unguarded) => again.run(triggers, unguarded),
      // It resolves when they are parked.
      againSettled: async () => undefined,
    }),
  })
  return new RegistryWatch({
    clock,
    epoch,
    guard,
    rebuild,
    applied: () => assignment.applied(),
    onError: (error, failures) => {
      readiness.failed('kafka', error)
      events.fault('rebuild', error, failures)
    },
    onLost: () => events.registryLost(),
  })
}
