import type { Config } from './config/env.ts'
import { Issuers } from './config/issuers.ts'
import type { Backlog } from './delivery/backlog.ts'
import { ClientPolicy } from './delivery/client-policy.ts'
import { DeliveryCore, type DeliveryCoreOptions } from './delivery/delivery-core.ts'
import type { DeliveryTracing } from './delivery/delivery-tracing.ts'
import type { ClientNote } from './diagnosis/client-notes.ts'
import { EgressGuard } from './egress/egress-guard.ts'
import { UndiciSender } from './egress/undici-sender.ts'
import { Decoders } from './events/decode/decode-record.ts'
import { logoutEndpoint } from './events/logout-endpoint.ts'
import { Pipeline } from './intake/pipeline.ts'
import type { Clock } from './lib/clock.ts'
import type { RepeatedSteps } from './lib/repeated-steps.ts'
import type { OutcomeLog } from './outcome/outcome-log.ts'
import type { RedisConnection } from './redis/redis-connection.ts'
import type { RedisKeys } from './redis/redis-keys.ts'
import { RedisRpSettings } from './redis/redis-rp-settings.ts'
import type { Registry } from './registry/registry.ts'
import type { RpName } from './registry/rp-settings.ts'

export interface DeliveryParts {
  readonly backlog: Backlog
  readonly clock: Clock
  readonly config: Config
  readonly events: DeliveryCoreOptions['events']
  readonly guard: DeliveryCoreOptions['guard']
  readonly issuers: Issuers
  readonly keys: RedisKeys
  readonly log: OutcomeLog
  readonly onClientNote: (clientId: string, note: ClientNote) => void
  readonly onInvalidSetting: (rp: RpName, problem: string) => void
  readonly redis: RedisConnection
  readonly repeats?: RepeatedSteps
  readonly registry: Registry
  readonly tracing?: DeliveryTracing | undefined
}

export function createIssuers(config: Config, clock: Clock): Issuers {
  return new Issuers([{ issuer: config.ISSUER, signingKeysFile: config.SIGNING_KEYS_FILE }], clock)
}

/** The same for whoever reads the log, in this process and in any other. */
export function createPipeline(config: Config, issuers: Issuers): Pipeline {
  const { ISSUER, USER_SIGNED_OUT_WITHOUT_SESSION } = config
  return new Pipeline(new Decoders(ISSUER), (issuer) => issuers.has(issuer), USER_SIGNED_OUT_WITHOUT_SESSION)
}

/** The delivery of the service, and of the commands that deliver: what one may send to, the other may, too. */
export function createDelivery(parts: DeliveryParts): { core: DeliveryCore; sender: UndiciSender } {
  const { backlog, clock, config, events, guard, issuers, keys, log, onInvalidSetting, redis, registry } =
    parts
  const sender = new UndiciSender({
    guard: new EgressGuard({ allowHttp: config.EGRESS_ALLOW_HTTP, allow: config.EGRESS_ALLOW }),
    attemptTimeoutMs: config.ATTEMPT_TIMEOUT_MS,
    connectionsPerOriginMax: config.MAX_IN_FLIGHT,
  })
  const clients = new ClientPolicy(config, parts.onClientNote)
  const core = new DeliveryCore({
    backlog,
    clock,
    config,
    events,
    guard,
    log,
    registry,
    sender,
    repeats: parts.repeats,
    tracing: parts.tracing,
    clients,
    settingsStore: new RedisRpSettings({
      keys,
      redis,
      onInvalid: onInvalidSetting,
      uriProblem: ({ clientId }, uri) => clients.refusal(clientId, logoutEndpoint(uri)),
    }),
    signerFor: (issuer) => issuers.signer(issuer),
  })
  return { core, sender }
}
