import { stringify } from 'yaml'
import {
  jsonSchemaOf,
  type RecordSchema,
  recordSchemas,
  type SchemaName,
  schemaNames,
} from '../../src/events/record-schemas.ts'
import { version } from '../../src/lib/version.ts'

/** The description of every record, made from the schemas that read them; by its path from the root. */
export function contractFiles(): Record<string, string> {
  const schemas = schemaNames.map((name) => [`docs/schemas/${name}.json`, jsonText(jsonSchemaOf(name))])
  const head = '# Made by "npm run docs" from the schemas that the relay reads records with.\n'
  return {
    'docs/asyncapi.yaml': head + stringify(asyncApi(), { lineWidth: 0, aliasDuplicateObjects: false }),
    ...Object.fromEntries(schemas),
  }
}

function jsonText(json: unknown): string {
  return `${JSON.stringify(json, undefined, 2)}\n`
}

const ref = (path: string) => ({ $ref: `#/${path}` })
const named = (wanted: RecordSchema['direction']) =>
  schemaNames.filter((name) => recordSchemas[name].direction === wanted && name !== 'dead-letter')

interface Channel {
  readonly address: string
  readonly description: string
  readonly messages: readonly SchemaName[]
}

/** As they are called by default. */
const channels: Readonly<Record<string, Channel>> = {
  input: {
    address: 'session-events',
    description: 'Triggers, registrations and clients. Option KAFKA_TOPICS; several topics are possible.',
    messages: named('in'),
  },
  outcomes: {
    address: 'session-events',
    description: 'What became of each logout. Option KAFKA_OUTCOME_TOPIC; by default the first input topic.',
    messages: ['backchannel-logout-sent', 'backchannel-logout-failed'],
  },
  shadow: {
    address: 'session-events.shadow',
    description: 'Outcomes of shadow mode. Option KAFKA_SHADOW_TOPIC.',
    messages: ['backchannel-logout-shadowed'],
  },
  deadLetters: {
    address: 'session-events.dead-letter',
    description: 'Records that could not be read. Option KAFKA_DEAD_LETTER_TOPIC.',
    messages: ['dead-letter'],
  },
}

function asyncApi(): object {
  const operations: readonly [string, 'receive' | 'send', string, string][] = [
    ['readRecords', 'receive', 'input', 'The relay reads what happens to sessions.'],
    ['writeOutcomes', 'send', 'outcomes', 'The relay writes one outcome per registration.'],
    ['writeShadowOutcomes', 'send', 'shadow', 'In shadow mode it writes what would have been sent.'],
    ['writeDeadLetters', 'send', 'deadLetters', 'It writes what it could not read, and why.'],
  ]
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'logout-relay',
      version,
      description:
        'Records on Kafka, as CloudEvents in binary mode: attributes in `ce_*` headers, data in the value. Records that are read may as well be CloudEvents in structured mode or plain JSON, whose `type` stands beside the data.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(
      Object.entries(channels).map(([id, { messages, ...channel }]) => [
        id,
        {
          ...channel,
          messages: Object.fromEntries(messages.map((name) => [name, ref(`components/messages/${name}`)])),
        },
      ]),
    ),
    operations: Object.fromEntries(
      operations.map(([id, action, channel, summary]) => [
        id,
        {
          action,
          channel: ref(`channels/${channel}`),
          summary,
          messages: channels[channel]?.messages.map((name) => ref(`channels/${channel}/messages/${name}`)),
        },
      ]),
    ),
    components: {
      messages: Object.fromEntries(schemaNames.map((name) => [name, message(name)])),
      schemas: Object.fromEntries(schemaNames.map((name) => [name, withoutDialect(jsonSchemaOf(name))])),
    },
  }
}

function withoutDialect({ $schema: _, ...schema }: ReturnType<typeof jsonSchemaOf>) {
  return schema
}

function message(name: SchemaName): object {
  const { summary, direction, example } = recordSchemas[name]
  if (name === 'dead-letter')
    return {
      name,
      title: name,
      summary,
      headers: ref(`components/schemas/${name}`),
      payload: { description: 'Whatever the record was.' },
    }
  return {
    name,
    title: name,
    summary,
    contentType: 'application/json',
    headers: direction === 'in' ? inputHeaders(name) : outcomeHeaders(name),
    payload: ref(`components/schemas/${name}`),
    bindings: { kafka: { key: keyOf(name), bindingVersion: '0.5.0' } },
    examples: [
      {
        name,
        headers: {
          ce_specversion: '1.0',
          ce_id: 't-1',
          ce_source: direction === 'in' ? '/idp' : 'https://login.example.com',
          ce_type: name,
          ...(direction === 'in' && { ce_time: '2026-01-31T09:30:00Z' }),
        },
        payload: example,
      },
    ],
  }
}

function keyOf(name: SchemaName): object {
  const description = name.startsWith('client-')
    ? 'The client id.'
    : name === 'user-signed-out'
      ? 'The session id; the user id where there is no session. Any key will do: nothing depends on it.'
      : recordSchemas[name].direction === 'out'
        ? 'The session id.'
        : 'The session id. Any key will do, and none: nothing depends on it.'
  return { type: 'string', description }
}

const trace = {
  traceparent: { type: 'string', description: 'W3C Trace Context; it goes on to the RP and to the outcome.' },
  tracestate: { type: 'string' },
}

function inputHeaders(name: SchemaName): object {
  return {
    type: 'object',
    required: ['ce_type'],
    properties: {
      ce_type: { const: name },
      ce_specversion: { type: 'string', description: 'CloudEvents; the relay does not look at it.' },
      ce_source: { type: 'string', description: 'CloudEvents; the relay does not look at it.' },
      ce_id: { type: 'string', description: 'Of a trigger: what its outcomes name it by.' },
      ce_time: { type: 'string', format: 'date-time', description: 'When it happened.' },
      ...trace,
    },
  }
}

function outcomeHeaders(name: SchemaName): object {
  const required = ['ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'content-type']
  return {
    type: 'object',
    required,
    properties: {
      ce_specversion: { const: '1.0' },
      ce_id: { type: 'string', description: 'The same where an outcome is written again.' },
      ce_source: { type: 'string', description: 'The issuer.' },
      ce_type: { const: name },
      'content-type': { const: 'application/json' },
      'outcome-cut': { type: 'string', description: 'What was cut of a record that the topic refused.' },
      ...trace,
    },
  }
}
