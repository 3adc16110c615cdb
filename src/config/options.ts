import { accessSync, constants, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { z } from 'zod'
import { allowEntryProblem } from '../egress/allow-entry.ts'
import { parseClientHost } from '../egress/client-host.ts'
import { codeOf } from '../lib/errors.ts'
import { redisUrlProblem } from './redis-url.ts'

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
  'must be a comma-separated list of host:port, without scheme, the port from 1 to 65535, an IPv6 address in brackets',
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
    'must be the https (or http) URL that stands in the ID tokens, without query and fragment',
  )
const topic = z
  .string()
  .regex(/^[\w.-]{1,249}$/, 'must be a topic name: letters, digits, dot, dash and underscore')
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
        'must be a comma-separated list of <client id>=<host>, a host without port, or *. and a domain',
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
    'must be an address of this machine, such as 127.0.0.1 or ::1, without port and brackets',
  )

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** The time that a delivery may be given, wherever it is configured. */
export const RETRY_DEADLINE = { minMs: 100, maxMs: 30 * DAY } as const

/**
 * Every option of the service: its name in the environment, what is accepted, its default and what it means. The
 * validation, `--help` and the table in docs/configure.md are made from this.
 */
export const optionsSchema = z.object({
  KAFKA_BROKERS: brokers.describe('Kafka brokers to start from, `host:port`, comma-separated.'),
  KAFKA_TLS: flag.prefault('false').describe('Connect to Kafka over TLS.'),
  KAFKA_TLS_CA_FILE: readableFile
    .optional()
    .describe('Authorities that Kafka is trusted by, as PEM. Default: those that Node.js knows.'),
  KAFKA_TLS_CERT_FILE: readableFile
    .optional()
    .describe('Client certificate for Kafka with its chain, as PEM. With `KAFKA_TLS_KEY_FILE`.'),
  KAFKA_TLS_KEY_FILE: readableFile.optional().describe('Key of that certificate, as PEM.'),
  KAFKA_SASL_MECHANISM: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'], 'must be plain, scram-sha-256 or scram-sha-512')
    .optional()
    .describe(
      'How the relay logs in to Kafka: `plain`, `scram-sha-256` or `scram-sha-512`. Default: not at all.',
    ),
  KAFKA_SASL_USERNAME: text.optional().describe('User name at Kafka.'),
  KAFKA_SASL_PASSWORD: text.optional().describe('Password at Kafka.'),
  KAFKA_TOPICS: nonEmptyList
    .pipe(z.array(topic))
    .prefault('session-events')
    .describe('Topics that triggers and registrations are read from, comma-separated.'),
  KAFKA_OUTCOME_TOPIC: topic.optional().describe('Topic for outcomes. Default: the first of `KAFKA_TOPICS`.'),
  KAFKA_DEAD_LETTER_TOPIC: topic
    .optional()
    .describe('Topic for poison records. Default: `<first topic>.dead-letter`. Created when missing.'),
  KAFKA_GROUP_ID: z
    .string()
    .min(1, 'must not be empty')
    .prefault('logout-relay')
    .describe('Consumer group; the replicas of one relay share it.'),
  KAFKA_START_FROM: z
    .enum(['latest', 'earliest'], 'must be latest or earliest')
    .prefault('latest')
    .describe('Where a new group starts with triggers. `latest`: old logouts are not sent.'),
  KAFKA_SESSION_TIMEOUT_MS: integer(1_000, 300_000)
    .prefault('6000')
    .describe('After so long without a sign of life a crashed replica loses its partitions to the others.'),
  KAFKA_STALL_MS: integer(1_000, HOUR)
    .prefault('45000')
    .describe('A consumer that asks for no records for so long has come to a standstill, and is replaced.'),
  REDIS_URL: redisUrl.describe('Redis, `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS.'),
  REDIS_USERNAME: text.optional().describe('User of Redis; instead of the one in `REDIS_URL`.'),
  REDIS_PASSWORD: text.optional().describe('Password of Redis; instead of the one in `REDIS_URL`.'),
  REDIS_TLS_CA_FILE: readableFile
    .optional()
    .describe(
      'Authorities that Redis is trusted by, as PEM, with `rediss://`. Default: those that Node.js knows.',
    ),
  REDIS_TLS_CERT_FILE: readableFile
    .optional()
    .describe('Client certificate for Redis with its chain, as PEM. With `REDIS_TLS_KEY_FILE`.'),
  REDIS_TLS_KEY_FILE: readableFile.optional().describe('Key of that certificate, as PEM.'),
  REDIS_PREFIX: z
    .string()
    .regex(/^[\w.:-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, dashes, colons or underscores')
    .prefault('lr')
    .describe('Prefix of every key in Redis.'),
  ISSUER: issuer
    .optional()
    .describe(
      'The issuer whose logouts are sent, byte for byte as in its ID tokens. Of several: `ISSUERS_FILE`.',
    ),
  SIGNING_KEYS_FILE: readableFile
    .optional()
    .describe('Private keys of that issuer: a JWK set or PEM. Read again when it changes.'),
  ISSUERS_FILE: readablePath
    .optional()
    .describe(
      'Instead of these two: the issuers with their keys, as YAML or JSON, or a directory of such files. Read again when it changes.',
    ),
  SIGNING_KEYS_RELOAD_MS: integer(100, HOUR)
    .prefault('2000')
    .describe('How often the key files and `ISSUERS_FILE` are looked at.'),
  SIGNING_KEYS_PUBLISHED_CHECK_MS: integer(0, DAY)
    .prefault(String(5 * MINUTE))
    .describe("How often the issuer's own JWK set is looked at for the signing keys; 0: never."),
  TOKEN_TYPE_JWT_CLIENTS: list
    .prefault('')
    .describe(
      'Client ids whose tokens have the header type `JWT`, for RPs that know no other. All others get `logout+jwt`; no record decides that.',
    ),
  CLIENT_HOSTS: clientHosts
    .prefault('')
    .describe(
      'Where the tokens of a client may go, `<client id>=<host>`, comma-separated, `*.example.com` for all below; of a client that is not named, anywhere.',
    ),
  USER_SIGNED_OUT_WITHOUT_SESSION: z
    .enum(['fan-out', 'ignore'], 'must be fan-out or ignore')
    .prefault('fan-out')
    .describe('What `user-signed-out` without a session id means: every session of the user, or nothing.'),
  SESSION_LIFETIME_MS: integer(MINUTE, 3_650 * DAY)
    .prefault(String(30 * DAY))
    .describe('How long a registration is kept when nothing ends its session.'),
  TOMBSTONE_MS: integer(1_000, 30 * DAY)
    .prefault(String(HOUR))
    .describe('How long it is remembered that a session ended, for registrations that come late or again.'),
  EGRESS_ALLOW_HTTP: flag.prefault('false').describe('Accept `http` back-channel logout URIs.'),
  EGRESS_ALLOW: egressAllow
    .prefault('')
    .describe(
      'Hosts, addresses and CIDR ranges that may be reached although they are not public; a metadata service of a cloud by its very address only.',
    ),
  ATTEMPT_TIMEOUT_MS: integer(50, 5 * MINUTE)
    .prefault('10000')
    .describe('Time for one attempt, from connecting to the end of the answer.'),
  RETRY_BASE_DELAY_MS: integer(1, HOUR)
    .prefault('1000')
    .describe('Upper bound of the first retry delay; doubled for each further one, with full jitter.'),
  RETRY_MAX_DELAY_MS: integer(1, DAY)
    .prefault(String(5 * MINUTE))
    .describe('Upper bound of any retry delay.'),
  RETRY_MAX_ATTEMPTS: integer(1, 1_000)
    .prefault('50')
    .describe(
      'Attempts per delivery; then it is `failed: exhausted`. While its RP does not answer at all, those that probe it count only as far as the retry delays leave time for.',
    ),
  RETRY_DEADLINE_MS: integer(RETRY_DEADLINE.minMs, RETRY_DEADLINE.maxMs)
    .prefault(String(HOUR))
    .describe('Time per delivery; then it is `failed: expired`.'),
  RETRY_DOUBTFUL_DELAYS_MS: delays
    .transform((entries) => entries.map(Number).filter((ms) => ms > 0))
    .prefault('31000,120000,660000')
    .describe(
      'Delays after doubtful answers (400, 404, 3xx), one per further attempt; `0`: reject at once. Also after an address that the egress guard refused, the last of them again and again until the deadline.',
    ),
  RETRY_AFTER_MAX_MS: integer(0, DAY)
    .prefault(String(10 * MINUTE))
    .describe('A longer `Retry-After` of an RP is cut to that.'),
  RETRY_POLL_MS: integer(10, MINUTE)
    .prefault('250')
    .describe('How often the backlog is looked at for deliveries that are due.'),
  RETRY_LEASE_MS: integer(1_000, HOUR)
    .prefault('30000')
    .describe(
      'How long a replica holds a parked delivery that it took up; longer than `ATTEMPT_TIMEOUT_MS`, by a quarter of it or five seconds.',
    ),
  BREAKER_FAILURES: integer(1, 1_000)
    .prefault('5')
    .describe('Retryable failures in a row after which nothing is sent to an RP for a while.'),
  BREAKER_COOLDOWN_MS: integer(10, HOUR)
    .prefault('1000')
    .describe('How long nothing is sent then; doubled each time that the one attempt after it fails.'),
  BREAKER_MAX_COOLDOWN_MS: integer(10, HOUR)
    .prefault('8000')
    .describe('Upper bound of that; an RP that is back hears of it after so long at the latest.'),
  MAX_IN_FLIGHT: integer(1, 100_000)
    .prefault('256')
    .describe(
      'Attempts at one time. Those that have waited for an answer for a quarter of a second come on top, up to three times as many as a rule, and probes of RPs that do not answer, one for each at most.',
    ),
  MAX_IN_FLIGHT_PER_RP: integer(1, 10_000).prefault('8').describe('Attempts at one time at one RP.'),
  MAX_UNSETTLED: integer(1, 1_000_000)
    .prefault('320')
    .describe(
      'Deliveries held in memory; beyond it intake waits, and half as many more may be claimed from the backlog. One RP may have a sixteenth of them waiting, a quick one what it takes in half a second, but no more than half of them while other RPs are told too; for a slow one nothing waits.',
    ),
  COMMIT_INTERVAL_MS: integer(10, MINUTE)
    .prefault('500')
    .describe('How often settled offsets are committed.'),
  CHECK_INTERVAL_MS: integer(100, HOUR)
    .prefault('30000')
    .describe('How often Redis and the topics are checked for settings that lose logouts.'),
  DRAIN_MS: integer(0, 10 * MINUTE)
    .prefault('15000')
    .describe('On SIGTERM: time for attempts under way; what is left is parked.'),
  PORT: integer(0, 65_535)
    .prefault('8080')
    .describe(
      'Port of the status page, `/livez`, `/readyz`, `/metrics` and `/jwks.json`; 0 chooses a free one.',
    ),
  BIND_ADDRESS: address
    .optional()
    .describe(
      'Address that this port is opened at. Default: every address of the machine, as Kubernetes needs it. On `127.0.0.1` or `::1` only requests for `localhost` are answered.',
    ),
  LOG_LEVEL: z
    .enum(
      ['fatal', 'error', 'warn', 'info', 'debug', 'silent'],
      'must be fatal, error, warn, info, debug or silent',
    )
    .prefault('info')
    .describe('Least severe level that is logged.'),
})

export type Options = z.infer<typeof optionsSchema>
