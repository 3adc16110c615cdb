import { type Config, type Layout, layout, type Placed } from '../config/config.ts'
import type { ClientNote } from '../delivery/client-policy.ts'
import { ClientPolicy } from '../delivery/client-policy.ts'
import { ClientStates } from '../delivery/client-states.ts'
import { DeliveryCore, type DeliveryCoreOptions } from '../delivery/delivery-core.ts'
import type { DeliveryTracing } from '../delivery/delivery-tracing.ts'
import { EndpointChecks } from '../delivery/endpoint-checks.ts'
import type { OutcomeLog } from '../delivery/outcome-log.ts'
import { ShadowLeftovers, type ShadowLeftoversOptions } from '../delivery/shadow-leftovers.ts'
import { NameResolver } from '../egress/name-resolver.ts'
import { ShadowSender } from '../egress/shadow-sender.ts'
import { UndiciSender } from '../egress/undici-sender.ts'
import { logoutEndpoint } from '../events/logout-endpoint.ts'
import type { LogReader } from '../intake/log-reader.ts'
import { Pipeline } from '../intake/pipeline.ts'
import type { Issuers } from '../issuers/issuers.ts'
import type { Clock } from '../lib/clock.ts'
import type { RepeatedSteps } from '../lib/repeated-steps.ts'
import { ParkOwed } from '../recovery/park-owed.ts'
import { Rebuild, type RebuildOptions } from '../recovery/rebuild.ts'
import { StoreFromLog, type StoreFromLogOptions } from '../recovery/store-from-log.ts'
import { RedisBacklog } from '../redis/redis-backlog.ts'
import { RedisBacklogView } from '../redis/redis-backlog-view.ts'
import { RedisClients } from '../redis/redis-clients.ts'
import type { RedisConnection } from '../redis/redis-connection.ts'
import { RedisEpochStore } from '../redis/redis-epoch-store.ts'
import { RedisKeys } from '../redis/redis-keys.ts'
import { RedisRecoveryRegistry } from '../redis/redis-recovery-registry.ts'
import { RedisRegistry } from '../redis/redis-registry.ts'
import { RedisRelaySummaries } from '../redis/redis-relay-summaries.ts'
import { RedisRpSettings } from '../redis/redis-rp-settings.ts'
import { EpochGuard } from '../registry/epoch-guard.ts'
import type { RpName } from '../registry/rp-settings.ts'
import { BackchannelLogout } from '../transports/backchannel-logout/backchannel-logout.ts'
import type { RecordMapping } from './record-mapping.ts'

const { delivery, issuers, kafka, redis } = layout

/** Of the configuration, what the stores and their rebuild need. Keys and egress belong to the delivery alone. */
export const storeLayout = {
  mode: layout.mode,
  kafka: {
    groupId: kafka.groupId,
    outcomeTopic: kafka.outcomeTopic,
    startFrom: kafka.startFrom,
    topics: kafka.topics,
  },
  records: layout.records,
  redis: { prefix: redis.prefix },
  registry: layout.registry,
  issuers: { file: issuers.file, issuer: issuers.issuer },
  delivery: {
    attemptTimeoutMs: delivery.attemptTimeoutMs,
    lateAfterMs: delivery.lateAfterMs,
    retry: { deadlineMs: delivery.retry.deadlineMs },
    userSignedOutWithoutSession: delivery.userSignedOutWithoutSession,
  },
} as const satisfies Layout

export type StoreConfig = Placed<typeof storeLayout>

/** What Redis holds, for `serve` and for the commands that look at it as `serve` does. */
export interface Stores {
  readonly backlog: RedisBacklog
  readonly clients: RedisClients
  /** What this process knows of the state of clients. */
  readonly clientStates: ClientStates
  readonly epoch: RedisEpochStore
  readonly guard: EpochGuard
  readonly keys: RedisKeys
  readonly parkOwed: ParkOwed
  readonly recovery: RedisRecoveryRegistry
  readonly redis: RedisConnection
  readonly registry: RedisRegistry
  readonly summaries: RedisRelaySummaries
  /** The same without a guard: the registry is built before there is an epoch. */
  readonly unguarded: { readonly recovery: RedisRecoveryRegistry; readonly registry: RedisRegistry }
}

export function createStores(config: StoreConfig, redis: RedisConnection, clock: Clock): Stores {
  const { mode } = config
  const keys = new RedisKeys(config.redis.prefix, mode)
  const guard = new EpochGuard(redis)
  const options = { ...config.registry, keys, mode, redis }
  const backlog = new RedisBacklog(redis, keys)
  return {
    backlog,
    guard,
    keys,
    redis,
    clients: new RedisClients(options),
    clientStates: new ClientStates({ isShadow: mode === 'shadow' }),
    epoch: new RedisEpochStore(redis, keys),
    parkOwed: new ParkOwed({ backlog, clock }),
    recovery: new RedisRecoveryRegistry({ ...options, guard }),
    registry: new RedisRegistry({ ...options, guard }),
    summaries: new RedisRelaySummaries(redis, keys),
    unguarded: { recovery: new RedisRecoveryRegistry(options), registry: new RedisRegistry(options) },
  }
}

/** The same for whoever reads the log, in this process and in any other. */
export function createPipeline(issuers: Issuers, mapping: RecordMapping, states: ClientStates): Pipeline {
  const decoders = mapping.decoders((name) => issuers.resolve(name))
  return new Pipeline(decoders, issuers, states)
}

export interface RebuildParts
  extends Pick<
      RebuildOptions,
      'inputs' | 'onDisbelieved' | 'onForgotten' | 'onLacked' | 'onProgress' | 'own'
    >,
    Pick<StoreFromLogOptions, 'clock' | 'pipeline' | 'runAgain'> {
  readonly config: StoreConfig
  readonly reader: LogReader
  readonly stores: Stores
}

/** What builds the registry from the log, and completes it. */
export function createRebuild({ config, stores, pipeline, runAgain, ...parts }: RebuildParts): Rebuild {
  return new Rebuild({
    ...parts,
    epoch: stores.epoch,
    formats: pipeline.decoders,
    groupId: config.kafka.groupId,
    outcomeTopic: config.kafka.outcomeTopic,
    startFrom: config.kafka.startFrom,
    doesStartMove: config.mode === 'shadow',
    store: new StoreFromLog({
      ...stores.unguarded,
      ...config.registry,
      pipeline,
      runAgain,
      clock: parts.clock,
    }),
  })
}

/** What ends, in live mode, what a shadow has parked: with the backlog and the marks of a relay in shadow mode. */
export function createShadowLeftovers(
  config: StoreConfig & { readonly kafka: Pick<Config['kafka'], 'shadowTopic'> },
  { guard, redis }: Stores,
  parts: Pick<ShadowLeftoversOptions, 'clock' | 'log' | 'onEnded' | 'onFault'>,
): ShadowLeftovers {
  const keys = new RedisKeys(config.redis.prefix, 'shadow')
  return new ShadowLeftovers({
    ...parts,
    backlog: new RedisBacklog(redis, keys),
    outcomeTopic: config.kafka.shadowTopic,
    parked: new RedisBacklogView(redis, keys),
    registry: new RedisRegistry({ ...config.registry, guard, keys, mode: 'shadow', redis }),
  })
}

export interface DeliveryParts {
  readonly clear: DeliveryCoreOptions['clear']
  readonly clock: Clock
  readonly config: Config
  readonly events: DeliveryCoreOptions['events']
  readonly issuers: Issuers
  readonly log: OutcomeLog
  readonly onClientNote: (rp: RpName, note: ClientNote) => void
  readonly onInvalidSetting: (rp: RpName, problem: string) => void
  readonly repeats?: RepeatedSteps
  readonly stores: Stores
  readonly tracing?: DeliveryTracing | undefined
}

/** The delivery, which `serve` alone has. */
export function createDelivery(parts: DeliveryParts): {
  core: DeliveryCore
  endpoints: EndpointChecks
  sender: UndiciSender | ShadowSender
} {
  const { clock, config, events, issuers, log, onInvalidSetting, stores } = parts
  const { backlog, guard, keys, redis, registry } = stores
  const names = new NameResolver()
  const sender =
    config.mode === 'shadow'
      ? new ShadowSender(names)
      : new UndiciSender({
          attemptTimeoutMs: config.delivery.attemptTimeoutMs,
          connectionsPerOriginMax: config.delivery.maxInFlight,
          names,
        })
  const clients = new ClientPolicy(config.clients, issuers, parts.onClientNote)
  const core = new DeliveryCore({
    ...config.delivery,
    backlog,
    clear: parts.clear,
    clock,
    events,
    guard,
    log,
    outcomeTopic: config.kafka.outcomeTopic,
    registry,
    sender,
    repeats: parts.repeats,
    tracing: parts.tracing,
    states: stores.clientStates,
    clients,
    settingsStore: new RedisRpSettings({
      keys,
      redis,
      onInvalid: onInvalidSetting,
      uriProblem: (rp, uri) => clients.refusal(rp, logoutEndpoint(uri)),
    }),
    issuers,
    transport: new BackchannelLogout({ clients, issuers, lateAfterMs: config.delivery.lateAfterMs }),
  })
  const endpoints = new EndpointChecks({
    issuers,
    refusal: (rp, endpoint) => clients.refusal(rp, endpoint),
    resolve: (hostname, done) => names.resolve(hostname, done),
    onNote: parts.onClientNote,
  })
  return { core, endpoints, sender }
}
