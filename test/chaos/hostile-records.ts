import { randomUUID } from 'node:crypto'
import type { IHeaders, Message } from 'kafkajs'
import { type InputRecord, inputFormats, inputRecord } from '../support/input-record.ts'
import type { SeededRandom } from './seeded-random.ts'
import { ISSUER } from './workload.ts'

/** Far beyond what intake parses, and still below what a broker takes. */
const HUGE_BYTES = 600_000
/** Huge ones cost everybody time; a few are enough. */
const HUGE_SHARE = 0.001
const NESTING = 20_000
const MANY_HEADERS = 500

type Mutation = (record: InputRecord, random: SeededRandom) => Message

/**
 * Records that somebody may write by mistake or in malice, each made from a valid one about a session that nobody
 * registered. Some are still valid afterwards, which is as it should be.
 */
export function hostileRecord(random: SeededRandom): Message {
  const record = decoy(random)
  if (random.next() < HUGE_SHARE) return huge(record, random)
  return random.pick(mutations)(record, random)
}

function decoy(random: SeededRandom): InputRecord {
  const ids = { issuer: ISSUER, sessionId: randomUUID(), userId: randomUUID() }
  const registration = {
    ...ids,
    oidcSessionId: randomUUID(),
    clientId: 'decoy',
    backchannelLogoutUri: 'http://127.0.0.1:9/decoy',
    registeredAt: new Date().toISOString(),
  }
  const type = random.pick(['session-terminated', 'user-signed-out', 'backchannel-logout-registered'])
  const data = type === 'backchannel-logout-registered' ? registration : { ...ids, reason: 'test' }
  const time = new Date().toISOString()
  return inputRecord(type, data, { format: random.pick(inputFormats), time })
}

const mutations: readonly Mutation[] = [
  function flippedBytes(record, random) {
    const value = Buffer.from(record.value)
    for (let count = random.between(1, 8); count > 0; count--) {
      value[random.between(0, value.length - 1)] = random.between(0, 255)
    }
    return { ...record, value }
  },
  function cut(record, random) {
    return { ...record, value: record.value.slice(0, random.between(0, record.value.length - 1)) }
  },
  function insertedBytes(record, random) {
    const at = random.between(0, record.value.length)
    const noise = Buffer.from(Array.from({ length: random.between(1, 40) }, () => random.between(0, 255)))
    const value = Buffer.concat([
      Buffer.from(record.value.slice(0, at)),
      noise,
      Buffer.from(record.value.slice(at)),
    ])
    return { ...record, value }
  },
  function swappedType(record, random) {
    return {
      ...record,
      value: changed(record.value, random, (name, value) => [name, otherType(value, random)]),
    }
  },
  function missingField(record, random) {
    return { ...record, value: changed(record.value, random, () => undefined) }
  },
  function oddFieldName(record, random) {
    const names = ['__proto__', 'constructor', 'toString', '', ' ', 'Type', 'sessionid', '\u0000', '\ud800']
    return { ...record, value: changed(record.value, random, (_, value) => [random.pick(names), value]) }
  },
  function oddText(record, random) {
    return { ...record, value: changed(record.value, random, (name) => [name, random.pick(oddTexts)]) }
  },
  function deepNesting(record, random) {
    const [open, close] = random.pick([
      ['[', ']'],
      ['{"a":', '}'],
    ] as const)
    const deep = `${open.repeat(NESTING)}1${close.repeat(NESTING)}`
    const value = random.next() < 0.5 ? deep : record.value.replace(/"reason":"test"|}$/, `"reason":${deep}}`)
    return { ...record, value }
  },
  function otherEncoding(record, random) {
    const text = record.value
    const value = random.pick([
      Buffer.from(text, 'utf16le'),
      Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(text)]),
      Buffer.concat([Buffer.from([0, 0, 0, 0, 1]), Buffer.from(text)]),
      Buffer.from(Buffer.from(text).toString('base64')),
      Buffer.from(JSON.stringify(text)),
    ])
    return { ...record, value }
  },
  function noObject(record, random) {
    return {
      ...record,
      value: random.pick(['', 'null', '0', 'true', '[]', '""', '{}', '[{}]', 'NaN', '\u0000']),
    }
  },
  function noValue(record) {
    return { ...record, value: null }
  },
  function oddHeaders(record, random) {
    const names = [
      ...Object.keys(record.headers),
      'ce_type',
      'ce_id',
      'ce_time',
      'content-type',
      'traceparent',
    ]
    const headers: IHeaders = { ...record.headers, [random.pick(names)]: random.pick(oddHeaderValues) }
    return { ...record, headers }
  },
  function missingHeader(record, random) {
    const names = Object.keys(record.headers)
    if (names.length === 0) return { ...record, headers: { ce_type: 'session-terminated' } }
    const headers: IHeaders = { ...record.headers }
    delete headers[random.pick(names)]
    return { ...record, headers }
  },
  function manyHeaders(record) {
    const many = Array.from({ length: MANY_HEADERS }, (_, i) => [`ce_extension${i}`, 'x'.repeat(20)])
    return { ...record, headers: { ...record.headers, ...Object.fromEntries(many) } }
  },
  function otherPurpose(record, random) {
    const types = [
      'backchannel-logout-sent',
      'backchannel-logout-failed',
      'user-created',
      'SESSION-TERMINATED',
    ]
    return { ...record, headers: { ...record.headers, ce_type: random.pick(types) } }
  },
  function oddKey(record, random) {
    const keys = [null, '', Buffer.from([0xff, 0xfe, 0]), 'k'.repeat(5_000)]
    return { ...record, key: random.pick(keys) }
  },
  function contradictingFormat(record, random) {
    const other = decoy(random)
    return { ...record, headers: other.headers }
  },
]

const oddTexts = [
  '',
  ' ',
  '\u0000',
  'a\nb\r\nc',
  '\u202e',
  '{{7*7}}',
  '../../etc/passwd',
  '|',
  '}{',
  '*',
  'x'.repeat(5_000),
  '\ud800',
]

const oddHeaderValues: readonly (string | Buffer | string[])[] = [
  '',
  Buffer.from([0xff, 0xfe, 0x00]),
  ['session-terminated', 'user-signed-out'],
  'application/cloudevents-batch+json',
  'application/cloudevents+protobuf',
  'application/json; charset=utf-16',
  'a\r\nx-injected: 1',
  'x'.repeat(20_000),
  '-1',
  '9999-99-99T99:99:99Z',
  '275760-09-13T00:00:00.001Z',
]

function huge(record: InputRecord, random: SeededRandom): Message {
  const unit = random.pick(['x', '\u00e9', '\\u0000', '['])
  const padding = unit.repeat(HUGE_BYTES / Buffer.byteLength(unit))
  return { ...record, value: record.value.replace(/}$/, `,"padding":"${padding}"}`) }
}

/** One field of the innermost object becomes another one, or goes. */
function changed(
  text: string,
  random: SeededRandom,
  change: (name: string, value: unknown) => [string, unknown] | undefined,
): string {
  const json = JSON.parse(text) as Record<string, unknown>
  const isNested = typeof json.data === 'object' && random.next() < 0.7
  const object = isNested ? (json.data as Record<string, unknown>) : json
  const entries = Object.entries(object)
  const at = random.between(0, entries.length - 1)
  const found = entries[at] as [string, unknown]
  const replacement = change(...found)
  entries.splice(at, 1, ...(replacement === undefined ? [] : [replacement]))
  // Written by hand, because an assignment to `__proto__` would make no field.
  const written = `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`
  if (!isNested) return written
  const { data: _, ...outside } = json
  return `${JSON.stringify(outside).slice(0, -1)}${Object.keys(outside).length > 0 ? ',' : ''}"data":${written}}`
}

function otherType(value: unknown, random: SeededRandom): unknown {
  return random.pick<unknown>([
    null,
    0,
    -1,
    1e308,
    true,
    [],
    {},
    [value],
    { value },
    [[[]]],
    { toString: 'x', length: 5 },
    Number.MAX_SAFE_INTEGER + 1,
  ])
}
