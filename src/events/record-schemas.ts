import { z } from 'zod'
import { clientConfiguredData, clientRemovedData } from './client.ts'
import { ID_PATTERN } from './identifier.ts'
import { failureReasons } from './outcome.ts'
import { registrationData } from './read-registration.ts'
import { subjectClaims, tokenAlgorithms } from './registration.ts'
import { sessionTerminatedData, userSignedOutData } from './trigger.ts'

/** One type of record, for whoever writes or reads it. */
export interface RecordSchema {
  /** From the relay: `in` is read, `out` is written. */
  readonly direction: 'in' | 'out'
  readonly summary: string
  /** Of the value; of dead letters, whose value may be anything, of the headers. */
  readonly schema: z.ZodType
  readonly example: object
}

/** Ids as they were read. Of a registration that is invalid they may be anything; see docs/records.md, Sizes, for those that were cut. */
const outcomeSubject = {
  issuer: z.string().describe('`iss` of the logout token.'),
  sessionId: z.string().describe('The session at the provider; also the key of the record.'),
  oidcSessionId: z.string().describe('Which registration of the session.'),
  clientId: z
    .string()
    .optional()
    .describe('`client_id` of the RP. Missing only if the registration is invalid.'),
  sub: z.string().optional().describe('`sub` of the logout token.'),
  sid: z.string().optional().describe('`sid` of the logout token.'),
}

const milliseconds = z.number().int()
const outcomeTimes = {
  registeredAt: milliseconds.optional().describe('When the login was, in milliseconds since the epoch.'),
  occurredAt: milliseconds.optional().describe('When the session ended, in milliseconds since the epoch.'),
}
const trigger = z
  .object({
    id: z.string().describe('The id of its CloudEvent, or `topic/partition/offset@milliseconds`.'),
    topic: z.string(),
    partition: z.number().int().min(0),
    offset: z.number().int().min(0),
  })
  .describe('The record that ended the session.')
const attempts = z.number().int().min(0).describe('How many requests were sent.')
const status = z.number().int().min(100).max(599)
const jti = z.string().describe('Id of the last logout token.')
const origin = z.string().optional().describe('Where the last attempt went: scheme, host and port.')

/** An outcome as consumers may rely on it. Later versions may add fields. */
const sentData = z.object({
  ...outcomeSubject,
  jti,
  attempts: attempts.min(1),
  status: status.describe('HTTP status of the answer.'),
  origin,
  trigger,
  ...outcomeTimes,
})

const failedData = z.object({
  ...outcomeSubject,
  jti: jti.optional(),
  attempts,
  status: status.nullable().describe('HTTP status of the last answer; null without one.'),
  origin,
  trigger,
  reason: z.enum(failureReasons).describe('Why it was given up. Later versions may add others.'),
  lastStatus: status.optional().describe('As `status`.'),
  lastError: z.string().optional().describe('What went wrong in the last attempt.'),
  userId: z.string().optional().describe('The user at the provider.'),
  backchannelLogoutUri: z.string().optional().describe('Of the registration, as the next four.'),
  sessionRequired: z.boolean().optional(),
  alg: z.enum(tokenAlgorithms).optional(),
  typ: z.string().optional(),
  claims: z.enum(subjectClaims).optional(),
  ...outcomeTimes,
})

const shadowedData = z.object({
  ...outcomeSubject,
  jti: jti.optional().describe('Id of the token that was signed and not sent.'),
  attempts: z.literal(0),
  status: z.null(),
  origin,
  trigger,
  would: z
    .enum(['send', 'unreachable', 'unsigned', ...failureReasons])
    .describe('What would have become of it. Later versions may add others.'),
  error: z.string().optional().describe('Why not `send`.'),
  userId: z.string().optional().describe('The user at the provider.'),
  ...outcomeTimes,
})

const digits = z.string().regex(/^-?\d+$/)
const deadLetterHeaders = z.object({
  'dead-letter-reason': z.string().describe('What is wrong with the record: the field, and the problem.'),
  'dead-letter-topic': z.string().describe('Where the record came from, as the next three.'),
  'dead-letter-partition': digits,
  'dead-letter-offset': digits,
  'dead-letter-timestamp': digits.describe('The timestamp of the record, in milliseconds since the epoch.'),
  'dead-letter-cut': z.string().optional().describe('How much of a long value was kept.'),
})

const login = { sessionId: 's1', oidcSessionId: 'o1', clientId: 'shop' }
const told = {
  ...{ issuer: 'https://login.example.com', ...login, sub: 'u1', sid: 's1' },
  ...{ jti: 'p0jlZgwsTzkh1rJ2JcvHHg', attempts: 1 },
}
const cause = {
  trigger: { id: 't-1', topic: 'session-events', partition: 0, offset: 42 },
  registeredAt: 1_769_846_400_000,
  occurredAt: 1_769_851_800_000,
}
const shop = 'https://shop.example.com'
const uri = `${shop}/backchannel-logout`

/** Every record that the relay reads or writes, by its type. */
export const recordSchemas = {
  'session-terminated': {
    direction: 'in',
    summary: 'A session ended: each RP with a login in it gets a logout.',
    schema: sessionTerminatedData,
    example: { sessionId: 's1', userId: 'u1', reason: 'administrator' },
  },
  'user-signed-out': {
    direction: 'in',
    summary: 'A user signed out: of one session, or of every one.',
    schema: userSignedOutData,
    example: { userId: 'u1' },
  },
  'backchannel-logout-registered': {
    direction: 'in',
    summary: 'A login: an RP received an ID token.',
    schema: registrationData,
    example: { ...login, userId: 'u1', backchannelLogoutUri: uri, registeredAt: '2026-01-31T08:00:00Z' },
  },
  'client-configured': {
    direction: 'in',
    summary: 'Settings and state of an RP; what it does not name stays as it is.',
    schema: clientConfiguredData,
    example: { clientId: 'shop', backchannelLogoutUri: uri, state: 'active' },
  },
  'client-removed': {
    direction: 'in',
    summary: 'Takes back all that earlier records say of an RP.',
    schema: clientRemovedData,
    example: { clientId: 'shop' },
  },
  'backchannel-logout-sent': {
    direction: 'out',
    summary: 'An RP accepted its logout.',
    schema: sentData,
    example: { ...told, status: 200, origin: shop, ...cause },
  },
  'backchannel-logout-failed': {
    direction: 'out',
    summary: 'A logout was given up.',
    schema: failedData,
    example: {
      ...{ ...told, attempts: 3, status: 400, origin: shop, ...cause, reason: 'rejected', lastStatus: 400 },
      ...{ userId: 'u1', backchannelLogoutUri: uri },
    },
  },
  'backchannel-logout-shadowed': {
    direction: 'out',
    summary: 'A logout that shadow mode did not send.',
    schema: shadowedData,
    example: { ...told, attempts: 0, status: null, origin: shop, ...cause, would: 'send', userId: 'u1' },
  },
  'dead-letter': {
    direction: 'out',
    summary: 'Headers that a record that could not be read gets; it keeps its key, value and headers.',
    schema: deadLetterHeaders,
    example: {
      'dead-letter-reason': 'sessionId: must not be empty',
      'dead-letter-topic': 'session-events',
      'dead-letter-partition': '0',
      'dead-letter-offset': '42',
      'dead-letter-timestamp': '1769851800000',
    },
  },
} as const satisfies Readonly<Record<string, RecordSchema>>

export type SchemaName = keyof typeof recordSchemas
export const schemaNames = Object.keys(recordSchemas) as readonly SchemaName[]

export interface JsonSchema {
  [name: string]: unknown
}

const NOTHING: JsonSchema = { enum: ['', null], description: 'Counts as missing.' }
/** As the pattern of an id, in the part of regular expressions that every library has. Half of a surrogate pair is no text at all. */
const PORTABLE_ID = '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$'

/**
 * The JSON Schema (draft-07) of a type. It takes every record that the relay takes. The relay is stricter where a description
 * says so: of URIs and times.
 */
export function jsonSchemaOf(name: SchemaName): JsonSchema {
  const { schema, summary, example } = recordSchemas[name]
  const { $schema, ...json } = z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod
      if (def.type === 'pipe' && def.in._zod.def.type === 'transform') takeNothing(jsonSchema)
      if (jsonSchema.pattern === ID_PATTERN.source) jsonSchema.pattern = PORTABLE_ID
    },
  })
  return { $schema, title: name, description: summary, ...json, examples: [example] }
}

/** An optional field may be empty or null, as some platforms write a missing value. */
function takeNothing(schema: JsonSchema): void {
  const { description, ...own } = schema
  for (const key of Object.keys(schema)) delete schema[key]
  Object.assign(schema, description === undefined ? {} : { description }, { anyOf: [own, NOTHING] })
}
