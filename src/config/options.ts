import { accessSync, constants, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { z } from 'zod'
import { allowEntryProblem } from '../egress/allow-entry.ts'
import { parseClientHost } from '../egress/client-host.ts'
import { codeOf } from '../lib/errors.ts'
import { redisUrlProblem } from './redis-url.ts'
import { RETRY_ATTEMPTS, RETRY_BASE_DELAY, RETRY_DEADLINE, RETRY_MAX_DELAY } from './retry-limits.ts'

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== ''),
)
const nonEmptyList = list.refine((entries) => entries.length > 0, 'must name at least one')
const flag = z
  .enum(['true', 'false', '1', '0'], 'must be true or false')
  .transform((text) => text === 'true' || text === '1')

/** The bounds stand in the metadata as well, for the schema of the Helm chart: it refuses what the service would. */
function integer(min: number, max: number) {
  const range = `must be a whole number from ${min} to ${max}`
  return z
    .string()
    .refine((text) => /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max, range)
    .transform(Number)
    .meta({ minimum: min, maximum: max })
}

const brokers = nonEmptyList.refine(
  (entries) =>
    entries.every((entry) => {
      const [, host = '', port] = /^(.+):(\d{1,5})$/.exec(entry) ?? []
      const isHost = /^(\[[0-9a-f:.]+\]|[^\s:/@~[\]]+)$/i.test(host)
      return isHost && Number(port) >= 1 && Number(port) <= 65_535
    }),
  'must be a comma-separated list of host:port, without scheme; ports from 1 to 65535, IPv6 addresses in brackets',
)
const redisUrl = z.string().superRefine((text, context) => {
  const problem = redisUrlProblem(text)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})
/** Of an issuer, wherever it is configured. */
export const issuer = z
  .string()
  .refine(
    (text) => URL.canParse(text) && /^https?:\/\//.test(text) && !/[?#|\s]/.test(text),
    'must be the https (or http) URL from the ID tokens, without query and fragment',
  )
const schemaRegistryUrl = z.string().superRefine((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const problem =
    url === undefined || !/^https?:$/.test(url.protocol) || /[?#\s]/.test(text)
      ? 'must be an https (or http) URL, without query and fragment'
      : url.username !== '' || url.password !== ''
        ? 'must hold no login; set SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD'
        : undefined
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})
const topic = z
  .string()
  .regex(/^[\w.-]{1,249}$/, 'must be a topic name: letters, digits, dot, dash and underscore')
/** A relay that read everything would make dead letters of what other applications write. */
function topicProblem(entry: string): string | undefined {
  if (!/^[\w.*-]{1,249}$/.test(entry))
    return 'must be topic names (letters, digits, dot, dash and underscore) or patterns, in which * stands for any characters'
  return /^\*+$/.test(entry)
    ? 'must not be * alone, which would read every topic of the cluster; name what the topics have in common, such as kc.events.*'
    : undefined
}
const topics = nonEmptyList.superRefine((entries, context) => {
  for (const entry of entries) {
    const message = topicProblem(entry)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  }
})
const egressAllow = list.superRefine((entries, context) => {
  for (const [i, entry] of entries.entries()) {
    const problem = allowEntryProblem(entry, i + 1)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  }
})
const clientHosts = list.transform((entries, context) =>
  entries.flatMap((entry) => {
    const parsed = parseClientHost(entry)
    if (parsed !== undefined) return [parsed]
    context.addIssue({
      code: 'custom',
      message:
        'must be a comma-separated list of <client id>=<host>; a host has no port, and may be *. and a domain',
    })
    return []
  }),
)
const delays = list.superRefine((entries, context) => {
  if (entries.every((entry) => /^\d{1,8}$/.test(entry))) return
  context.addIssue({
    code: 'custom',
    message: 'must be a comma-separated list of milliseconds, or 0 for none',
  })
})

/** The path of a file that is read again later, so that it may be replaced while the relay runs. */
const readableFile = z.string().superRefine((path, context) => {
  try {
    readFileSync(path)
  } catch (error) {
    context.addIssue({ code: 'custom', message: `the file cannot be read (${codeOf(error)})` })
  }
})
/** The same, or a directory. */
const readablePath = z.string().superRefine((path, context) => {
  try {
    accessSync(path, constants.R_OK)
  } catch (error) {
    context.addIssue({ code: 'custom', message: `cannot be read (${codeOf(error)})` })
  }
})
const text = z.string().min(1, 'must not be empty')
const address = z
  .string()
  .refine(
    (text) => isIP(text) !== 0 || text === 'localhost',
    'must be an address of this machine, such as 127.0.0.1 or ::1, without port or brackets',
  )

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/**
 * Every option of the service: its name in the environment, what is accepted, its default and what it means. The
 * validation, `--help` and the table in docs/configure.md are made from this.
 */
export const optionsSchema = z.object({
  MODE: z
    .enum(['live', 'shadow'], 'must be live or shadow')
    .prefault('live')
    .describe('`shadow`: do everything but call RPs; the outcomes go to `KAFKA_SHADOW_TOPIC`.'),
  KAFKA_BROKERS: brokers.describe('Kafka brokers to start from, `host:port`, comma-separated.'),
  KAFKA_TLS: flag.prefault('false').describe('Connect to Kafka over TLS.'),
  KAFKA_TLS_CA_FILE: readableFile
    .optional()
    .describe('Certificate authorities to trust for Kafka, as PEM. Default: those of Node.js.'),
  KAFKA_TLS_CERT_FILE: readableFile
    .optional()
    .describe('Client certificate for Kafka with its chain, as PEM. Requires `KAFKA_TLS_KEY_FILE`.'),
  KAFKA_TLS_KEY_FILE: readableFile.optional().describe('Private key of that certificate, as PEM.'),
  KAFKA_SASL_MECHANISM: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'], 'must be plain, scram-sha-256 or scram-sha-512')
    .optional()
    .describe('SASL mechanism for Kafka: `plain`, `scram-sha-256` or `scram-sha-512`. Default: no login.'),
  KAFKA_SASL_USERNAME: text.optional().describe('User name for Kafka.'),
  KAFKA_SASL_PASSWORD: text.optional().describe('Password for Kafka.'),
  KAFKA_TOPICS: topics
    .prefault('session-events')
    .describe(
      'Topics to read triggers and registrations from, comma-separated: names, and patterns in which `*` stands for any characters, such as `kc.events.*`.',
    ),
  MAPPING_FILE: readableFile
    .optional()
    .describe(
      'Rules for records of other formats, or the preset of a platform, by topic, as a YAML or JSON file. Reloaded when it changes.',
    ),
  SCHEMA_REGISTRY_URL: schemaRegistryUrl
    .optional()
    .describe(
      'Schema registry by which records in Avro are read, with the path before `/schemas`. Default: Avro becomes a dead letter.',
    ),
  SCHEMA_REGISTRY_USERNAME: text
    .optional()
    .describe('User name, or API key, for the schema registry. Default: no login.'),
  SCHEMA_REGISTRY_PASSWORD: text.optional().describe('Password, or API secret, for the schema registry.'),
  SCHEMA_REGISTRY_TLS_CA_FILE: readableFile
    .optional()
    .describe(
      'Certificate authorities to trust for the schema registry, as PEM. Requires `https://`. Default: those of Node.js.',
    ),
  KAFKA_OUTCOME_TOPIC: topic
    .optional()
    .describe(
      'Topic for outcomes. Default: the first name in `KAFKA_TOPICS`; required if it has only patterns.',
    ),
  KAFKA_SHADOW_TOPIC: topic
    .optional()
    .describe('Topic for outcomes of shadow mode. Default: `<outcome topic>.shadow`. Created when missing.'),
  KAFKA_DEAD_LETTER_TOPIC: topic
    .optional()
    .describe(
      'Topic for dead letters. Default: `<first name in KAFKA_TOPICS>.dead-letter`; required if it has only patterns. Created when missing.',
    ),
  KAFKA_GROUP_ID: z
    .string()
    .min(1, 'must not be empty')
    .prefault('logout-relay')
    .describe('Consumer group. The replicas of one relay share it.'),
  KAFKA_START_FROM: z
    .enum(['latest', 'earliest'], 'must be latest or earliest')
    .prefault('latest')
    .describe('Where a new group starts to read triggers. `latest`: it sends no old logouts.'),
  KAFKA_SESSION_TIMEOUT_MS: integer(1_000, 300_000)
    .prefault('6000')
    .describe('A replica that sends no heartbeat for this long loses its partitions to the others.'),
  KAFKA_STALL_MS: integer(1_000, HOUR)
    .prefault('45000')
    .describe('A consumer that fetches nothing for this long has stalled; the relay replaces it.'),
  REDIS_URL: redisUrl.describe(
    'URL of Redis: `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS.',
  ),
  REDIS_USERNAME: text.optional().describe('User name for Redis; replaces the one in `REDIS_URL`.'),
  REDIS_PASSWORD: text.optional().describe('Password for Redis; replaces the one in `REDIS_URL`.'),
  REDIS_TLS_CA_FILE: readableFile
    .optional()
    .describe(
      'Certificate authorities to trust for Redis, as PEM. Requires `rediss://`. Default: those of Node.js.',
    ),
  REDIS_TLS_CERT_FILE: readableFile
    .optional()
    .describe('Client certificate for Redis with its chain, as PEM. Requires `REDIS_TLS_KEY_FILE`.'),
  REDIS_TLS_KEY_FILE: readableFile.optional().describe('Private key of that certificate, as PEM.'),
  REDIS_PREFIX: z
    .string()
    .regex(/^[\w.:-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, dashes, colons or underscores')
    .prefault('lr')
    .describe('Prefix of every key in Redis.'),
  ISSUER: issuer
    .optional()
    .describe(
      'The issuer to send logouts for, byte for byte as in its ID tokens. For several issuers set `ISSUERS_FILE`.',
    ),
  SIGNING_KEYS_FILE: readableFile
    .optional()
    .describe('Private keys of that issuer, as a JWK set or PEM. Reloaded when the file changes.'),
  ISSUERS_FILE: readablePath
    .optional()
    .describe(
      'Replaces these two: the issuers with their keys, as a YAML or JSON file or a directory of such files. Reloaded when it changes.',
    ),
  SIGNING_KEYS_RELOAD_MS: integer(100, HOUR)
    .prefault('2000')
    .describe(
      'How often the relay looks at the key files, `ISSUERS_FILE`, `MAPPING_FILE` and `INTAKE_FILE`.',
    ),
  SIGNING_KEYS_PUBLISHED_CHECK_MS: integer(0, DAY)
    .prefault(String(5 * MINUTE))
    .describe(
      "How often the relay reads the issuer's own metadata and JWK set, to see that it has the right issuer and that RPs find its keys; 0: never.",
    ),
  TOKEN_TYPE_JWT_CLIENTS: list
    .prefault('')
    .describe(
      'Ids of clients that accept only the header type `JWT`, comma-separated. All others get `logout+jwt`. No record can change that.',
    ),
  CLIENT_HOSTS: clientHosts
    .prefault('')
    .describe(
      'Hosts that may receive the tokens of a client: `<client id>=<host>`, comma-separated. `*.example.com` stands for every name below. A client that is not listed may have any host.',
    ),
  USER_SIGNED_OUT_WITHOUT_SESSION: z
    .enum(['fan-out', 'ignore'], 'must be fan-out or ignore')
    .prefault('fan-out')
    .describe(
      'What `user-signed-out` without a session id ends: every session of the user (`fan-out`), or nothing (`ignore`).',
    ),
  SESSION_LIFETIME_MS: integer(MINUTE, 3_650 * DAY)
    .prefault(String(30 * DAY))
    .describe('How long the relay keeps a registration whose session does not end.'),
  TOMBSTONE_MS: integer(1_000, 30 * DAY)
    .prefault(String(HOUR))
    .describe('How long the relay remembers an ended session, for registrations that come late or again.'),
  EGRESS_ALLOW_HTTP: flag.prefault('false').describe('Accept `http` back-channel logout URIs.'),
  EGRESS_ALLOW: egressAllow
    .prefault('')
    .describe(
      'Hosts, addresses and CIDR ranges that are not public but may be reached. A cloud metadata service must be listed by its exact address.',
    ),
  ATTEMPT_TIMEOUT_MS: integer(50, 5 * MINUTE)
    .prefault('10000')
    .describe('Time limit of one attempt, from connecting to the end of the answer.'),
  RETRY_BASE_DELAY_MS: integer(RETRY_BASE_DELAY.minMs, RETRY_BASE_DELAY.maxMs)
    .prefault('1000')
    .describe('Upper bound of the first retry delay. It doubles with each retry, with full jitter.'),
  RETRY_MAX_DELAY_MS: integer(RETRY_MAX_DELAY.minMs, RETRY_MAX_DELAY.maxMs)
    .prefault(String(30 * MINUTE))
    .describe('Upper bound of any retry delay.'),
  RETRY_MAX_ATTEMPTS: integer(RETRY_ATTEMPTS.min, RETRY_ATTEMPTS.max)
    .prefault('200')
    .describe(
      'Attempts per delivery; then it is `failed: exhausted`. While its RP does not answer at all, probes count only as often as the retry delays would allow.',
    ),
  RETRY_DEADLINE_MS: integer(RETRY_DEADLINE.minMs, RETRY_DEADLINE.maxMs)
    .prefault(String(DAY))
    .describe('Time limit of a delivery; then it is `failed: expired`.'),
  LATE_AFTER_MS: integer(1_000, 30 * DAY)
    .prefault(String(HOUR))
    .describe(
      'Age of a trigger from which its logouts are late: the user may have signed in again, so `sub` is no longer sent alone. Commands wait so long for outcomes.',
    ),
  RETRY_DOUBTFUL_DELAYS_MS: delays
    .transform((entries) => entries.map(Number).filter((ms) => ms > 0))
    .prefault('31000,120000,660000')
    .describe(
      'Delays after doubtful answers (400, 404, 3xx), one per retry; `0`: fail at once. They also apply when the egress guard refuses an address; then the last one repeats until the deadline.',
    ),
  RETRY_AFTER_MAX_MS: integer(0, DAY)
    .prefault(String(10 * MINUTE))
    .describe('Upper bound of the `Retry-After` of an RP.'),
  RETRY_POLL_MS: integer(10, MINUTE)
    .prefault('250')
    .describe('How often the relay looks for due deliveries in the backlog.'),
  RETRY_LEASE_MS: integer(1_000, HOUR)
    .prefault('30000')
    .describe(
      'How long a replica holds a parked delivery that it claimed. Must exceed `ATTEMPT_TIMEOUT_MS` by a quarter of it, or by five seconds if that is less.',
    ),
  BREAKER_FAILURES: integer(1, 1_000)
    .prefault('5')
    .describe('Retryable failures in a row that open the breaker of an RP.'),
  BREAKER_COOLDOWN_MS: integer(10, HOUR)
    .prefault('1000')
    .describe('How long an open breaker waits before its one probe. It doubles with each probe that fails.'),
  BREAKER_MAX_COOLDOWN_MS: integer(10, HOUR)
    .prefault('8000')
    .describe('Upper bound of that. An RP that answers again is probed within this time.'),
  MAX_IN_FLIGHT: integer(1, 100_000)
    .prefault('256')
    .describe(
      'Concurrent attempts. Attempts without an answer after 250 ms come on top, usually up to three times as many. So do probes, at most one per RP.',
    ),
  MAX_IN_FLIGHT_PER_RP: integer(1, 10_000).prefault('8').describe('Concurrent attempts per RP.'),
  MAX_UNSETTLED: integer(1, 1_000_000)
    .prefault('320')
    .describe(
      'Deliveries held in memory. At this limit intake waits; half as many more may be claimed from the backlog. A sixteenth of them may wait for one RP. For a fast RP as many may wait as it takes in half a second, but at most half of them while others have deliveries too. For a slow RP none wait.',
    ),
  COMMIT_INTERVAL_MS: integer(10, MINUTE)
    .prefault('500')
    .describe('How often the relay commits settled offsets.'),
  CHECK_INTERVAL_MS: integer(100, HOUR)
    .prefault('30000')
    .describe('How often the relay checks Redis and the topics for settings that lose logouts.'),
  DRAIN_MS: integer(0, 10 * MINUTE)
    .prefault('15000')
    .describe('On SIGTERM: time for attempts in flight to end. The relay parks the rest.'),
  PORT: integer(0, 65_535)
    .prefault('8080')
    .describe('Port of the status page, `/livez`, `/readyz`, `/metrics` and `/jwks.json`; 0: any free port.'),
  BIND_ADDRESS: address
    .optional()
    .describe(
      'Address to listen on. Default: every address of the machine, as Kubernetes needs it. On `127.0.0.1` or `::1` the relay answers only requests for `localhost`.',
    ),
  INTAKE_PORT: integer(0, 65_535)
    .optional()
    .describe(
      'Port for webhooks of platforms that write no records, `POST /intake/<source>`; 0: any free port. Requires `INTAKE_FILE`. Default: none.',
    ),
  INTAKE_FILE: readableFile
    .optional()
    .describe(
      'Who may send webhooks, how they are verified and which topic they go to, as a YAML or JSON file. Reloaded when it changes.',
    ),
  LOG_LEVEL: z
    .enum(
      ['fatal', 'error', 'warn', 'info', 'debug', 'silent'],
      'must be fatal, error, warn, info, debug or silent',
    )
    .prefault('info')
    .describe('Least severe level to log.'),
})

export type Options = z.infer<typeof optionsSchema>
