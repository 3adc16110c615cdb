import { readRegistrations } from '../../../src/cli/sessions/read-registrations.ts'
import { Decoders } from '../../../src/events/decoding/decode-record.ts'
import { readFailedOutcome } from '../../../src/events/failed-outcome.ts'
import { endpointProblem, logoutEndpoint } from '../../../src/events/logout-endpoint.ts'
import { readOutcome } from '../../../src/events/outcome.ts'
import { readOutcomeDetails } from '../../../src/events/read-outcome-details.ts'
import { readRegistration } from '../../../src/events/read-registration.ts'
import type { Registration } from '../../../src/events/registration.ts'
import { readTraceContext } from '../../../src/events/trace-context.ts'
import type { WireRecord } from '../../../src/events/wire-record.ts'
import type { FuzzTarget } from '../fuzz-target.ts'
import { texts } from '../mutations.ts'
import { spokenIn } from '../spoken.ts'

const ISSUER = 'https://op.example'
const NOW_MS = 1_800_000_000_000
const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

const registration = {
  issuer: ISSUER,
  sessionId: 's-1',
  oidcSessionId: 'o-1',
  clientId: 'shop',
  userId: 'u-1',
  sub: 'u-1',
  sid: 's-1',
  backchannelLogoutUri: 'https://rp.example/logout?tenant=1',
  sessionRequired: true,
  alg: 'ES256',
  claims: 'both',
  registeredAt: '2026-01-01T00:00:00Z',
}
const outcome = {
  ...registration,
  registeredAt: 1_700_000_000_000,
  jti: 'j-1',
  attempts: 3,
  status: 503,
  reason: 'exhausted',
  lastStatus: 503,
  lastError: 'HTTP 503',
  occurredAt: 1_700_000_000_000,
  trigger: { id: 't-1', topic: 'session-events', partition: 1, offset: 7 },
}
const attributes = {
  specversion: '1.0',
  id: 't-1',
  source: '/op',
  time: '2026-01-01T00:00:00Z',
  traceparent: PARENT,
}
const trigger = { issuer: ISSUER, sessionId: 's-1', userId: 'u-1', reason: 'logout' }

/** A record as text: its headers as JSON in the first line, and the value below. */
function asText(headers: object, value: object): string {
  return `${JSON.stringify(headers)}\n${JSON.stringify(value)}`
}

function ceHeaders(type: string): Record<string, string> {
  const ce = Object.entries(attributes).map(([name, value]) => [`ce_${name}`, value])
  return { ...Object.fromEntries(ce), ce_type: type, traceparent: PARENT, 'content-type': 'application/json' }
}

/** Headers that are no JSON any more are one of that text. */
function recordOf(input: Buffer, fallback: Record<string, string> = {}): WireRecord {
  const end = input.indexOf('\n')
  const line = input.subarray(0, Math.max(end, 0)).toString()
  let headers: Record<string, string | Buffer | (string | Buffer)[]> = { ...fallback, 'content-type': line }
  try {
    const entries = Object.entries(JSON.parse(line) as object).map(([name, value]) => {
      const one = (it: unknown) => Buffer.from(String(it))
      return [name, Array.isArray(value) ? value.map(one) : one(JSON.stringify(value).replace(/^"|"$/g, ''))]
    })
    headers = Object.fromEntries(entries)
  } catch {
    // Said above.
  }
  const value = input.subarray(end + 1)
  return { topic: 'session-events', partition: 1, offset: 7, timestampMs: NOW_MS, key: null, value, headers }
}

function holds(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(what)
}

function checkRegistration(it: Registration): void {
  const { backchannelLogoutUri: uri } = it
  holds(uri === undefined || endpointProblem(uri) === undefined, 'a URI that nothing is sent to')
  // What was accepted once is accepted as it is written.
  const again = readRegistration(
    JSON.parse(JSON.stringify({ ...it, registeredAt: it.registeredAtMs })),
    ISSUER,
  )
  holds(again.kind === 'registration', 'a registration that is not read again')
}

const inputTypes = ['session-terminated', 'user-signed-out', 'backchannel-logout-registered']
const dataOf = (type: string) => (type === 'backchannel-logout-registered' ? registration : trigger)

const schema = { type: 'string', optional: true, name: 'io.debezium.data.Json' }
const base64 = (json: object) => Buffer.from(JSON.stringify(json)).toString('base64')
/** As connectors and serializers wrap records of the relay's own, with headers. */
const enveloped = inputTypes.flatMap((type) => {
  const [data, typed] = [dataOf(type), { type, ...dataOf(type) }]
  const change = { before: null, after: typed, op: 'c', source: {} }
  const event = { ...attributes, type, data }
  return [
    asText({}, { body: JSON.stringify(typed) }),
    asText({}, { schema, payload: JSON.stringify(typed) }),
    asText({}, { payload: JSON.stringify(data), eventType: type }),
    asText({ eventType: type }, { schema, payload: JSON.stringify(JSON.stringify(data)) }),
    asText({}, { schema, payload: change }),
    asText({}, { ...change, op: 'r' }),
    asText({}, { ...change, op: 'd', before: typed, after: null }),
    asText({ 'content-type': 'application/cloudevents-batch+json' }, [event, event]),
    asText({}, { ...typed, type: 'something-else' }),
    asText(
      {
        ce_type: [JSON.stringify(type)],
        ce_id: ['"t-1"'],
        ce_time: [JSON.stringify({ schema, payload: attributes.time })],
      },
      { schema, payload: JSON.stringify(data) },
    ),
    asText(
      { 'content-type': 'application/cloudevents+json' },
      { ...attributes, type, data_base64: base64({ schema, payload: { ...change, after: data } }) },
    ),
    asText(
      {},
      {
        ...attributes,
        type: 'io.debezium.connector.postgresql.DataChangeEvent',
        iodebeziumop: 'c',
        data: { schema, payload: { before: null, after: typed } },
      },
    ),
    asText({}, { schema: { type: 'bytes' }, payload: base64(typed) }),
  ]
})

export const eventTargets: readonly FuzzTarget[] = [
  {
    name: 'records-in-envelopes',
    samples: texts(...enveloped),
    parse: (input) => {
      const decoded = new Decoders((name = ISSUER) => name).decode(recordOf(input), NOW_MS)
      const results = 'kind' in decoded ? [decoded] : decoded
      for (const it of results) {
        if (it.kind === 'registration') checkRegistration(it.registration)
        if (it.kind !== 'trigger') continue
        const spoken = spokenIn(input.subarray(input.indexOf('\n') + 1).toString())
        for (const said of spokenIn(input.toString())) spoken.add(said)
        holds(
          spoken.has('session-terminated') || spoken.has('user-signed-out'),
          'a logout of no record of one',
        )
        const { trigger } = it
        holds(spoken.has(trigger.sessionId ?? trigger.userId ?? ''), 'a logout of an id that nobody named')
      }
      return results
    },
    isRead: (output) => (output as { kind: string }[]).every(({ kind }) => kind !== 'poison'),
    growth: 512,
  },
  {
    name: 'records',
    samples: texts(
      ...inputTypes.flatMap((type) => [
        asText(ceHeaders(type), dataOf(type)),
        asText({}, { type, ...attributes, ...dataOf(type) }),
        asText(
          { 'content-type': 'application/cloudevents+json' },
          { ...attributes, type, data: dataOf(type) },
        ),
      ]),
    ),
    parse: (input) => {
      const result = new Decoders((name = ISSUER) => name).decode(recordOf(input), NOW_MS)
      if (!('kind' in result)) throw new Error('no format of today says several things')
      if (result.kind === 'registration') checkRegistration(result.registration)
      if (result.kind === 'trigger')
        holds(Number.isFinite(result.trigger.occurredAtMs), 'a trigger without a time')
      if (result.kind === 'poison') holds(result.reason.length < 2_000, 'a reason without an end')
      return result
    },
    isRead: (output) => ['trigger', 'registration'].includes((output as { kind: string }).kind),
  },
  {
    name: 'outcomes',
    samples: texts(
      asText(ceHeaders('backchannel-logout-sent'), outcome),
      asText(ceHeaders('backchannel-logout-failed'), outcome),
    ),
    parse: (input) => {
      const record = recordOf(input, { ce_type: 'backchannel-logout-failed' })
      const failed = readFailedOutcome(record)
      if (failed?.kind === 'failed') checkRegistration(failed.registration)
      return [failed, readOutcome(record), readOutcomeDetails(record)]
    },
    isRead: (output) => (output as unknown[]).slice(1).every((it) => it !== undefined),
    growth: 64,
  },
  {
    name: 'registrations-given',
    samples: texts(
      JSON.stringify(registration),
      JSON.stringify([registration, registration]),
      `${JSON.stringify(registration)}\n${JSON.stringify({ ...registration, alg: null })}\n`,
    ),
    parse: (input) => readRegistrations(input.toString(), ISSUER, NOW_MS).forEach(checkRegistration),
    faults: ['LR_USAGE'],
  },
  {
    name: 'logout-uris',
    samples: texts(
      'https://rp.example/logout?tenant=1',
      'http://[::1]:8080/',
      'https://xn--bcher-kva.example:444/%20',
    ),
    parse: (input) => {
      const uri = input.toString()
      if (endpointProblem(uri) !== undefined) return undefined
      const { origin, path } = logoutEndpoint(uri)
      holds(/^https?:\/\/[^/\s]+$/.test(origin), 'an origin that is none')
      holds(/^\/[\x21-\x7e]*$/.test(path), 'a path that does not fit into a request line')
      return [origin, path]
    },
  },
  {
    name: 'trace-context',
    samples: texts(`${PARENT}\nvendor=1,tenant@vendor=a b`, `${PARENT}\n`, `cc${PARENT.slice(2)}-more\nx=y`),
    parse: (input) => {
      const [first, ...rest] = input.toString().split('\n')
      const { traceparent, tracestate } = readTraceContext(first, rest.join('\n'))
      if (traceparent === undefined) holds(tracestate === undefined, 'a state without a parent')
      else holds(/^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/.test(traceparent), 'no traceparent')
      if (tracestate !== undefined) holds(/^[\x20-\x7e]{1,512}$/.test(tracestate), 'no header value')
      return [traceparent, tracestate]
    },
  },
]
