import { type ReadOptions, readOptions } from './env.ts'
import type { Environment } from './secret-files.ts'

type OptionName = keyof ReadOptions

/**
 * Where each option stands in `Config`, whose type comes from here. Any part of it, such as `layout.redis`, or some of its
 * parts put together, can be read alone.
 */
export const layout = {
  mode: 'MODE',
  kafka: {
    brokers: 'KAFKA_BROKERS',
    isTls: 'KAFKA_TLS',
    tls: { caFile: 'KAFKA_TLS_CA_FILE', certFile: 'KAFKA_TLS_CERT_FILE', keyFile: 'KAFKA_TLS_KEY_FILE' },
    sasl: {
      mechanism: 'KAFKA_SASL_MECHANISM',
      username: 'KAFKA_SASL_USERNAME',
      password: 'KAFKA_SASL_PASSWORD',
    },
    topics: 'KAFKA_TOPICS',
    outcomeTopic: 'KAFKA_OUTCOME_TOPIC',
    shadowTopic: 'KAFKA_SHADOW_TOPIC',
    deadLetterTopic: 'KAFKA_DEAD_LETTER_TOPIC',
    groupId: 'KAFKA_GROUP_ID',
    startFrom: 'KAFKA_START_FROM',
    sessionTimeoutMs: 'KAFKA_SESSION_TIMEOUT_MS',
    stallMs: 'KAFKA_STALL_MS',
    commitIntervalMs: 'COMMIT_INTERVAL_MS',
  },
  records: {
    mappingFile: 'MAPPING_FILE',
    schemaRegistry: {
      url: 'SCHEMA_REGISTRY_URL',
      username: 'SCHEMA_REGISTRY_USERNAME',
      password: 'SCHEMA_REGISTRY_PASSWORD',
      tls: { caFile: 'SCHEMA_REGISTRY_TLS_CA_FILE' },
    },
  },
  redis: {
    url: 'REDIS_URL',
    username: 'REDIS_USERNAME',
    password: 'REDIS_PASSWORD',
    tls: { caFile: 'REDIS_TLS_CA_FILE', certFile: 'REDIS_TLS_CERT_FILE', keyFile: 'REDIS_TLS_KEY_FILE' },
    prefix: 'REDIS_PREFIX',
  },
  registry: {
    sessionLifetimeMs: 'SESSION_LIFETIME_MS',
    tombstoneMs: 'TOMBSTONE_MS',
  },
  issuers: { file: 'ISSUERS_FILE', issuer: 'ISSUER', signingKeysFile: 'SIGNING_KEYS_FILE' },
  signingKeys: {
    reloadMs: 'SIGNING_KEYS_RELOAD_MS',
    publishedCheckMs: 'SIGNING_KEYS_PUBLISHED_CHECK_MS',
  },
  clients: { jwtTyped: 'TOKEN_TYPE_JWT_CLIENTS', hosts: 'CLIENT_HOSTS' },
  egress: { allowHttp: 'EGRESS_ALLOW_HTTP', allow: 'EGRESS_ALLOW' },
  delivery: {
    attemptTimeoutMs: 'ATTEMPT_TIMEOUT_MS',
    lateAfterMs: 'LATE_AFTER_MS',
    leaseMs: 'RETRY_LEASE_MS',
    pollMs: 'RETRY_POLL_MS',
    maxInFlight: 'MAX_IN_FLIGHT',
    maxInFlightPerRp: 'MAX_IN_FLIGHT_PER_RP',
    maxUnsettled: 'MAX_UNSETTLED',
    userSignedOutWithoutSession: 'USER_SIGNED_OUT_WITHOUT_SESSION',
    retry: {
      baseDelayMs: 'RETRY_BASE_DELAY_MS',
      maxDelayMs: 'RETRY_MAX_DELAY_MS',
      maxAttempts: 'RETRY_MAX_ATTEMPTS',
      deadlineMs: 'RETRY_DEADLINE_MS',
      doubtfulDelaysMs: 'RETRY_DOUBTFUL_DELAYS_MS',
      retryAfterMaxMs: 'RETRY_AFTER_MAX_MS',
    },
    breaker: {
      failures: 'BREAKER_FAILURES',
      cooldownMs: 'BREAKER_COOLDOWN_MS',
      cooldownMaxMs: 'BREAKER_MAX_COOLDOWN_MS',
    },
  },
  http: { port: 'PORT', bindAddress: 'BIND_ADDRESS' },
  intake: { port: 'INTAKE_PORT', file: 'INTAKE_FILE' },
  service: { checkIntervalMs: 'CHECK_INTERVAL_MS', drainMs: 'DRAIN_MS', logLevel: 'LOG_LEVEL' },
} as const satisfies Layout

/** The name of an option, or what such names are put into. */
export type Layout = OptionName | readonly Layout[] | { readonly [key: string]: Layout }

/** A layout with the values of its options; of one that is not known more closely nothing is known, or this had no end. */
export type Placed<L> = Layout extends L
  ? unknown
  : L extends OptionName
    ? ReadOptions[L]
    : { readonly [Key in keyof L]: Placed<L[Key]> }

/** All that can be chosen, by what it is about. What ends in `Ms` is milliseconds. */
export type Config = Placed<typeof layout>

/** Reads the whole configuration. Throws as `readOptions` does. */
export function readConfig(env?: Environment): Config {
  return readConfigPart(layout, env)
}

/** Reads a part, for a command that needs no more; what is wrong with the rest is not its concern. Throws as `readConfig`. */
export function readConfigPart<const L extends Layout>(part: L, env?: Environment): Placed<L> {
  return place(part, readOptions(optionsIn(part), env))
}

/** The options that a part is read from. */
export function optionsIn(part: Layout): OptionName[] {
  return typeof part === 'string' ? [part] : Object.values(part).flatMap(optionsIn)
}

/** Puts the options of a part, which must all be given, into their places. */
export function place<const L extends Layout>(part: L, options: Partial<ReadOptions>): Placed<L> {
  const placed = (at: Layout): unknown => {
    if (typeof at === 'string') return options[at]
    if (Array.isArray(at)) return at.map(placed)
    return Object.fromEntries(Object.entries(at).map(([key, below]) => [key, placed(below)]))
  }
  return placed(part) as Placed<L>
}
