import { isPattern } from '../events/topic-selection.ts'
import type { Options } from './options.ts'

/** Of an attempt, at most so long: for what stands between the claim and the attempt, and after it. */
const LEASE_MARGIN = 1 / 4
const LEASE_MARGIN_MS_MAX = 5_000

/** What each option allows by itself but not together. */
export function conflicts(options: Partial<Options>): string[] {
  const problems: string[] = []
  const { KAFKA_TOPICS = [] } = options
  const first = KAFKA_TOPICS.find((it) => !isPattern(it))
  const { KAFKA_DEAD_LETTER_TOPIC = `${first}.dead-letter` } = options
  const {
    RETRY_LEASE_MS = Infinity,
    ATTEMPT_TIMEOUT_MS = 0,
    RETRY_BASE_DELAY_MS = 0,
    RETRY_MAX_DELAY_MS = Infinity,
  } = options
  if (KAFKA_TOPICS.includes(KAFKA_DEAD_LETTER_TOPIC)) {
    problems.push(
      'KAFKA_DEAD_LETTER_TOPIC: must not be one of KAFKA_TOPICS, or the relay would read its own dead letters',
    )
  }
  if (first === undefined && KAFKA_TOPICS.length > 0) {
    for (const name of ['KAFKA_OUTCOME_TOPIC', 'KAFKA_DEAD_LETTER_TOPIC'] as const)
      if (options[name] === undefined)
        problems.push(
          `${name}: is required when KAFKA_TOPICS has only patterns, which name no topic to write to`,
        )
  }
  if (options.KAFKA_SHADOW_TOPIC === KAFKA_DEAD_LETTER_TOPIC) {
    problems.push('KAFKA_SHADOW_TOPIC: must not be KAFKA_DEAD_LETTER_TOPIC, which replays read')
  }
  const leaseMsMin = ATTEMPT_TIMEOUT_MS + Math.min(ATTEMPT_TIMEOUT_MS * LEASE_MARGIN, LEASE_MARGIN_MS_MAX)
  if (RETRY_LEASE_MS <= leaseMsMin) {
    problems.push(
      `RETRY_LEASE_MS: must be longer than ${leaseMsMin} ms with this ATTEMPT_TIMEOUT_MS, or two replicas may send the same logout`,
    )
  }
  if (RETRY_BASE_DELAY_MS > RETRY_MAX_DELAY_MS) {
    problems.push('RETRY_MAX_DELAY_MS: must be at least RETRY_BASE_DELAY_MS')
  }
  const { INTAKE_FILE, INTAKE_PORT } = options
  problems.push(...together({ INTAKE_FILE, INTAKE_PORT: INTAKE_PORT?.toString() }))
  if (INTAKE_PORT !== undefined && INTAKE_PORT !== 0 && INTAKE_PORT === options.PORT) {
    problems.push('INTAKE_PORT: must not be PORT, which is for operators alone')
  }
  return [...problems, ...kafkaConflicts(options), ...redisConflicts(options), ...registryConflicts(options)]
}

function kafkaConflicts(options: Partial<Options>): string[] {
  const { KAFKA_TLS_CA_FILE, KAFKA_TLS_CERT_FILE, KAFKA_TLS_KEY_FILE } = options
  const { KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD } = options
  const problems: string[] = []
  if (options.KAFKA_TLS === false && (KAFKA_TLS_CA_FILE ?? KAFKA_TLS_CERT_FILE ?? KAFKA_TLS_KEY_FILE)) {
    problems.push('KAFKA_TLS: must be true when another KAFKA_TLS option is set')
  }
  problems.push(...together({ KAFKA_TLS_CERT_FILE, KAFKA_TLS_KEY_FILE }))
  problems.push(...together({ KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD }))
  return problems
}

function redisConflicts(options: Partial<Options>): string[] {
  const { REDIS_URL, REDIS_USERNAME, REDIS_PASSWORD } = options
  const { REDIS_TLS_CA_FILE, REDIS_TLS_CERT_FILE, REDIS_TLS_KEY_FILE } = options
  const problems: string[] = []
  if (
    REDIS_URL?.startsWith('redis:') &&
    (REDIS_TLS_CA_FILE ?? REDIS_TLS_CERT_FILE ?? REDIS_TLS_KEY_FILE) !== undefined
  ) {
    problems.push('REDIS_URL: must begin with rediss:// when a REDIS_TLS option is set')
  }
  if (REDIS_USERNAME !== undefined && REDIS_PASSWORD === undefined) {
    problems.push('REDIS_PASSWORD: is required with REDIS_USERNAME')
  }
  problems.push(...together({ REDIS_TLS_CERT_FILE, REDIS_TLS_KEY_FILE }))
  return problems
}

function registryConflicts(options: Partial<Options>): string[] {
  const { SCHEMA_REGISTRY_URL: url, SCHEMA_REGISTRY_TLS_CA_FILE } = options
  const { SCHEMA_REGISTRY_USERNAME, SCHEMA_REGISTRY_PASSWORD } = options
  const problems = together({ SCHEMA_REGISTRY_USERNAME, SCHEMA_REGISTRY_PASSWORD })
  const others = { SCHEMA_REGISTRY_USERNAME, SCHEMA_REGISTRY_PASSWORD, SCHEMA_REGISTRY_TLS_CA_FILE }
  const given = Object.entries(others).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  if (url === undefined && given.length > 0)
    problems.push(`SCHEMA_REGISTRY_URL: is required with ${given.join(' and ')}`)
  if (url?.startsWith('http:') && SCHEMA_REGISTRY_TLS_CA_FILE !== undefined)
    problems.push('SCHEMA_REGISTRY_URL: must begin with https:// when SCHEMA_REGISTRY_TLS_CA_FILE is set')
  return problems
}

/** Options that mean nothing without one another. */
function together(options: Readonly<Record<string, string | undefined>>): string[] {
  const names = Object.keys(options)
  const missing = names.filter((name) => options[name] === undefined)
  if (missing.length === names.length) return []
  const given = names.filter((name) => options[name] !== undefined)
  return missing.map((name) => `${name}: is required with ${given.join(' and ')}`)
}
