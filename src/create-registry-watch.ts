import type { Config } from './config/env.ts'
import type { Intake } from './intake/intake.ts'
import type { Clock } from './lib/clock.ts'
import type { Readiness } from './readiness.ts'
import type { LogReader } from './recovery/log-reader.ts'
import { Rebuild } from './recovery/rebuild.ts'
import { RegistryWatch } from './recovery/registry-watch.ts'
import { RedisEpochStore } from './redis/redis-epoch-store.ts'
import { RedisRegistry, type RedisRegistryOptions } from './redis/redis-registry.ts'
import type { EpochGuard } from './registry/epoch-guard.ts'
import type { RelayEvents } from './telemetry/relay-events.ts'

export interface RegistryWatchParts {
  readonly clock: Clock
  readonly config: Config
  readonly events: RelayEvents
  readonly guard: EpochGuard
  readonly intake: Intake
  readonly isServedIssuer: (issuer: string) => boolean
  readonly readiness: Readiness
  readonly reader: LogReader
  /** Without a guard: the registry is built before there is an epoch. */
  readonly registry: Omit<RedisRegistryOptions, 'guard'>
}

/** What notices that Redis has lost the registry, and builds it anew from the log. */
export function createRegistryWatch(parts: RegistryWatchParts): RegistryWatch {
  const { clock, config, events, guard, intake, isServedIssuer, readiness, reader, registry } = parts
  const epoch = new RedisEpochStore(registry.redis, registry.keys)
  const rebuild = new Rebuild({
    clock,
    epoch,
    isServedIssuer,
    reader,
    defaultIssuer: config.ISSUER,
    groupId: config.KAFKA_GROUP_ID,
    horizonMs: config.RETRY_DEADLINE_MS,
    inputTopics: config.KAFKA_TOPICS,
    onProgress: (progress) => {
      readiness.rebuilt(progress)
      events.rebuilding(progress)
    },
    outcomeTopic: config.KAFKA_OUTCOME_TOPIC,
    registry: new RedisRegistry(registry),
    sessionLifetimeMs: config.SESSION_LIFETIME_MS,
    runAgain: (records, built, signal) => intake.runAgain(records, built, signal),
    againSettled: (signal) => intake.againSettled(signal),
  })
  return new RegistryWatch({
    epoch,
    guard,
    rebuild,
    onError: (error, failures) => {
      readiness.failed('kafka', error)
      events.fault('rebuild', error, failures)
    },
    onLost: () => events.registryLost(),
  })
}
