import type { ConnectorConfig } from './connect-worker.ts'

/** A way in which the outbox event router and a converter write one event. */
export interface Shape {
  readonly name: string
  /** Where the type of the event is. */
  readonly type: 'column' | 'topic' | 'payload'
  /** How the value of its record begins: that it is this shape, and no other that would do as well. */
  readonly value: RegExp
  /** Instead of the page's placement and converters. */
  readonly config?: ConnectorConfig
}

const TEXT = 'org.apache.kafka.connect.storage.StringConverter'
const JSON_CONVERTER = 'org.apache.kafka.connect.json.JsonConverter'
const PLACEMENT = 'transforms.outbox.table.fields.additional.placement'

const text: ConnectorConfig = { 'key.converter': TEXT, 'value.converter': TEXT }
/** As Kafka Connect has it unless it is told otherwise: with schemas. */
const withSchemas: ConnectorConfig = { 'key.converter': JSON_CONVERTER, 'value.converter': JSON_CONVERTER }
export const withoutSchemas: ConnectorConfig = {
  ...withSchemas,
  'key.converter.schemas.enable': 'false',
  'value.converter.schemas.enable': 'false',
}
const expanded: ConnectorConfig = { 'transforms.outbox.table.expand.json.payload': 'true' }
const inHeader: ConnectorConfig = { [PLACEMENT]: 'type:header:eventType' }
const inEnvelope: ConnectorConfig = { [PLACEMENT]: 'type:envelope:eventType' }
const headersAsJson: ConnectorConfig = { 'header.converter': JSON_CONVERTER }
const asCloudEvent: ConnectorConfig = { [PLACEMENT]: 'type:header:ce_type' }
/** Each change record becomes a CloudEvent in structured mode. */
export const cloudEvents: ConnectorConfig = {
  'value.converter': 'io.debezium.converters.CloudEventsConverter',
}

export const shapes: readonly Shape[] = [
  { name: 'text, as the page has it', value: /^\{"issuer": /, type: 'column' },
  { name: 'text, type in the payload', value: /^\{"type"/, type: 'payload', config: text },
  { name: 'text, type in the topic', value: /^\{"issuer": /, type: 'topic', config: text },
  {
    name: 'JSON in a JSON string',
    value: /^"\{/,
    type: 'column',
    config: { ...withoutSchemas, ...inHeader },
  },
  {
    name: 'JSON in a JSON string, headers as JSON with schemas',
    value: /^"\{/,
    type: 'column',
    config: { ...withoutSchemas, ...inHeader, ...headersAsJson },
  },
  {
    name: 'JSON in a JSON string, headers as JSON',
    value: /^"\{/,
    type: 'column',
    config: { ...withoutSchemas, ...inHeader, ...headersAsJson, 'header.converter.schemas.enable': 'false' },
  },
  {
    name: 'schema and payload',
    value: /^\{"schema":\{"type":"string".*"payload":"\{/,
    type: 'column',
    config: { ...withSchemas, ...inHeader },
  },
  {
    name: 'an object',
    value: /^\{"issuer":"/,
    type: 'column',
    config: { ...withoutSchemas, ...expanded, ...inHeader },
  },
  {
    name: 'an object with its schema',
    value: /^\{"schema":\{"type":"struct".*"payload":\{"issuer"/,
    type: 'column',
    config: { ...withSchemas, ...expanded, ...inHeader },
  },
  {
    name: 'a CloudEvent, headers and value as JSON with schemas',
    value: /^\{"schema":\{"type":"string".*"payload":"\{/,
    type: 'column',
    config: { ...withSchemas, ...headersAsJson, ...asCloudEvent },
  },
  {
    name: 'a CloudEvent, headers and value in quotes',
    value: /^"\{/,
    type: 'column',
    config: {
      ...withoutSchemas,
      ...headersAsJson,
      'header.converter.schemas.enable': 'false',
      ...asCloudEvent,
    },
  },
  {
    name: 'the type beside the payload',
    value: /^\{"payload":"\{.*,"eventType":/,
    type: 'column',
    config: { ...withoutSchemas, ...inEnvelope },
  },
  {
    name: 'the type beside the payload, with schemas',
    value: /^\{"schema":\{"type":"struct".*"payload":\{"payload":"\{.*,"eventType":/,
    type: 'column',
    config: { ...withSchemas, ...inEnvelope },
  },
  {
    name: 'the type beside the payload as an object',
    value: /^\{"payload":\{"issuer".*,"eventType":/,
    type: 'column',
    config: { ...withoutSchemas, ...expanded, ...inEnvelope },
  },
]
