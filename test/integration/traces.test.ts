import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import type { RecordedSpan } from '../support/span-recorder.ts'
import { openSite } from './open-site.ts'

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const TRACEPARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`
const TRACESTATE = 'vendor=a b,other@x=1'

let site: RelaySite
let spansFile: string

beforeAll(async () => {
  site = await openSite()
  spansFile = join(site.folder, 'spans')
})
afterAll(() => site.close())

function spans(): RecordedSpan[] {
  const lines = readFileSync(spansFile, 'utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RecordedSpan)
}

/** A session with an RP that answers at once, and one that does at the second attempt only. */
async function logOut(name: string, headers: Record<string, string>) {
  const userId = `user-of-${name}`
  const sessionId = `session-of-${name}`
  let requests = 0
  site.rps.uri(`/${name}/late`, (_, response) => end(response, ++requests === 1 ? 503 : 200))
  const registrations = [`/${name}/well?secret=query`, `/${name}/late`].map((path, i) =>
    site.registration(path, { sessionId, userId, clientId: `${name}-${i}` }),
  )
  await site.registerInRedis(...registrations)
  const record = site.terminated({ sessionId })
  await site.topic.publish({ ...record, headers: { ...record.headers, ...headers } })
  return Promise.all(registrations.map(({ clientId }) => site.topic.waitForOutcome(clientId)))
}

describe('with an SDK', () => {
  beforeAll(async () => {
    await site.startRelay({
      NODE_OPTIONS: `--import=${new URL('../support/span-recorder.ts', import.meta.url)}`,
      SPANS_FILE: spansFile,
    })
  })

  test('a span per trigger and one per attempt, in the trace of the trigger', async () => {
    const outcomes = await logOut('traced', { traceparent: TRACEPARENT, tracestate: TRACESTATE })
    const found = await eventually(() => {
      const all = spans().filter(({ traceId }) => traceId === TRACE_ID)
      expect(all).toHaveLength(4)
      return all
    })
    const trigger = found.find(({ kind }) => kind === SpanKind.CONSUMER)
    expect(trigger).toMatchObject({
      name: `process ${site.topic.name}`,
      parentSpanId: '00f067aa0ba902b7',
      tracestate: TRACESTATE,
      scope: { name: 'logout-relay', version: expect.any(String) },
      attributes: {
        'messaging.system': 'kafka',
        'messaging.destination.name': site.topic.name,
        'messaging.kafka.offset': expect.any(Number),
        'logout_relay.trigger.type': 'session-terminated',
        'logout_relay.deliveries': 2,
      },
    })
    for (const { headers } of outcomes) {
      expect(headers).toMatchObject({
        traceparent: `00-${TRACE_ID}-${trigger?.spanId}-01`,
        tracestate: TRACESTATE,
      })
    }

    const attempts = found.filter(({ kind }) => kind === SpanKind.CLIENT)
    expect(attempts.map(({ name, parentSpanId }) => [name, parentSpanId])).toEqual(
      Array(3).fill(['POST', trigger?.spanId]),
    )
    const requests = [...site.rps.at('/traced/well'), ...site.rps.at('/traced/late')]
    const told = requests.map(({ headers }) => [headers.traceparent, headers.tracestate]).sort()
    const wanted = attempts.map(({ spanId }) => [`00-${TRACE_ID}-${spanId}-01`, TRACESTATE]).sort()
    expect(told).toEqual(wanted)

    const at = (path: string) =>
      attempts.filter(({ attributes }) => attributes['url.full'] === site.rps.uri(path))
    expect(at('/traced/well')).toMatchObject([
      {
        status: SpanStatusCode.UNSET,
        attributes: {
          'http.request.method': 'POST',
          'http.response.status_code': 200,
          'server.address': '127.0.0.1',
          'server.port': site.rps.port,
          'logout_relay.client_id': 'traced-0',
          'logout_relay.issuer': ISSUER,
          'logout_relay.verdict': 'sent',
        },
      },
    ])
    expect(at('/traced/late')).toMatchObject([
      {
        status: SpanStatusCode.ERROR,
        attributes: { 'http.response.status_code': 503, 'error.type': '503' },
      },
      { attributes: { 'http.response.status_code': 200, 'http.request.resend_count': 1 } },
    ])
    expect(readFileSync(spansFile, 'utf8')).not.toMatch(/session-of|user-of|secret=query/)
  })

  test('a trigger without a trace begins one, and its attempts and outcomes are in it', async () => {
    const outcomes = await logOut('untraced', {})
    const [, traceId] = /^00-(\w+)-/.exec(outcomes[0]?.headers.traceparent ?? '') ?? []
    await eventually(() => expect(spans().filter((span) => span.traceId === traceId)).toHaveLength(4))
    expect(outcomes[1]?.headers.traceparent).toBe(outcomes[0]?.headers.traceparent)
    expect(outcomes[0]?.headers).not.toHaveProperty('tracestate')
    expect(site.rps.at('/untraced/late')[1]?.headers.traceparent).toContain(traceId)
  })
})
