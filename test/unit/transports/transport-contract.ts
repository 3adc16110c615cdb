import { decodeJwt } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { errorText } from '../../../src/delivery/error-text.ts'
import { outcomeRecord } from '../../../src/delivery/outcome-record.ts'
import type { AttemptResult } from '../../../src/egress/sender.ts'
import { readFailedOutcome } from '../../../src/events/failed-outcome.ts'
import { type Outcome, readOutcome } from '../../../src/events/outcome.ts'
import type { WireRecord } from '../../../src/events/wire-record.ts'
import type {
  DeliveryContent,
  Prepared,
  PreparedRequest,
  Transport,
  Verdict,
} from '../../../src/transports/transport.ts'
import { sampleOrigin, sampleRegistration } from '../sample-registration.ts'

export interface TransportUnderTest {
  readonly transport: Transport
  /** A delivery that `prepare` accepts, as it does variants of its registration. */
  readonly delivery: DeliveryContent
  /** A delivery for which no request is possible. */
  readonly impossible: DeliveryContent
  /** Private parts of the signing keys, which no error may contain. */
  readonly secrets: readonly string[]
  /** Whether the receiver sees a repetition as a new token or as a known one. */
  readonly repetition: 'has a fresh jti' | 'has the same jti'
  /** The compact JWS in a request's body. */
  tokenIn(body: Buffer): string
}

const NOW = 1_800_000_000_000
/** The part of an answer's body that an attempt keeps. */
const DETAIL_BYTES_MAX = 512
const HERE = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS', 'EADDRNOTAVAIL', 'LR_LOCAL']
const THERE = ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'CERT_HAS_EXPIRED', 'LR_ATTEMPT_TIMEOUT', 'UNKNOWN']

/** Of a transport that answers at once. */
export function preparedBy(transport: Transport, delivery: DeliveryContent, nowMs: number): Prepared {
  const answers: Prepared[] = []
  transport.prepare(delivery, nowMs, (prepared) => answers.push(prepared))
  const [prepared] = answers
  if (prepared === undefined || answers.length > 1) throw new Error(`${answers.length} answers`)
  return prepared
}

/** What the core relies on, whatever the transport. */
export function testTransport(name: string, create: () => Promise<TransportUnderTest>): void {
  describe(`transport ${name}`, () => {
    let it: TransportUnderTest
    beforeAll(async () => {
      it = await create()
    })

    function prepared(delivery = it.delivery): PreparedRequest {
      const result = preparedBy(it.transport, deepFrozen(delivery), NOW)
      if (result.kind !== 'request') throw new Error(result.message)
      return result
    }

    test('prepares a request that is named by the jti of the token in it', () => {
      const { jti, body, headers } = prepared()
      expect(jti).not.toBe('')
      expect(decodeJwt(it.tokenIn(body)).jti).toBe(jti)
      const names = headers.filter((_, i) => i % 2 === 0)
      expect(headers).toHaveLength(2 * names.length)
      expect(names).toEqual(names.map((each) => each.toLowerCase()))
      expect(names.filter((each) => each === 'content-type')).toHaveLength(1)
      // The sender writes these headers. A request with duplicates would be invalid.
      const others = [
        'host',
        'content-length',
        'transfer-encoding',
        'connection',
        'traceparent',
        'tracestate',
      ]
      expect(names.filter((each) => others.includes(each))).toEqual([])
      expect(new Set(names).size).toBe(names.length)
    })

    test('or tells why there is no request', () => {
      const result = preparedBy(it.transport, deepFrozen(it.impossible), NOW)
      expect(result).toEqual({ kind: 'invalid', message: expect.stringMatching(/\S/) })
    })

    test('what is sent twice has the jti that its receiver expects', () => {
      const jtis = Array.from({ length: 50 }, () => prepared().jti)
      expect(new Set(jtis).size).toBe(it.repetition === 'has a fresh jti' ? 50 : 1)
    })

    test('two deliveries never share a jti', () => {
      const jtis = ['a', 'b', 'c'].map((oidcSessionId) => {
        const registration = { ...it.delivery.registration, oidcSessionId }
        return prepared({ ...it.delivery, registration }).jti
      })
      expect(new Set(jtis).size).toBe(3)
    })

    test('an error holds nothing of a token or a key, also where the RP echoes what it was sent', () => {
      const { body } = prepared()
      const echo = body.toString()
      const at = echo.indexOf(it.tokenIn(body))
      const parts = it
        .tokenIn(body)
        .split('.')
        .map((part) => part.slice(3, 15))
      const impossible = preparedBy(it.transport, it.impossible, NOW)
      const errors = [
        ...[echo, `got ${echo}`, JSON.stringify({ error: echo }), echo.slice(0, at + 20)].map((said) =>
          errorText('HTTP 400', said.slice(0, DETAIL_BYTES_MAX)),
        ),
        impossible.kind === 'invalid' ? impossible.message : '',
      ]
      for (const error of errors)
        for (const part of [...parts, ...it.secrets]) expect(error).not.toContain(part)
    })

    test('an answer is sent, doubtful, retried or rejected, and of all statuses a 2xx alone is sent', () => {
      const sent = new Set<number>()
      for (let status = 100; status < 1_000; status++)
        for (const more of [{}, { retryAfter: '120' }, { detail: '{"err":"invalid_request"}' }]) {
          const verdict = judged({ kind: 'answered', status, ...more })
          expect(['sent', 'doubtful', 'retry', 'rejected']).toContain(verdict)
          if (verdict === 'sent') sent.add(status)
        }
      expect(sent.size).toBeGreaterThan(0)
      // Redirects are not followed, so the message was not accepted.
      expect([...sent].filter((status) => status < 200 || status > 299)).toEqual([])
    })

    test.each([408, 429, 500, 502, 503, 504])(
      'an RP that is busy or out of order (%i) is not given up',
      (status) => {
        expect(judged({ kind: 'answered', status, retryAfter: '120' })).toBe('retry')
      },
    )

    test('where nothing was answered it is for want of something here, or may pass', () => {
      for (const staleConnection of [true, false]) {
        const result = { kind: 'unreachable', message: 'it failed', staleConnection } as const
        for (const code of THERE) expect([code, judged({ ...result, code })]).toEqual([code, 'retry'])
        for (const code of HERE) expect([code, judged({ ...result, code })]).toEqual([code, 'local'])
      }
    })

    test('what the egress guard refused is blocked', () => {
      expect(judged({ kind: 'blocked', message: '10.0.0.1 is private' })).toBe('blocked')
    })

    test('whoever reads the log knows its outcomes', () => {
      const sent = { kind: 'sent', jti: 'j', attempts: 1, status: 200 } as const
      const failed = { kind: 'failed', reason: 'rejected', attempts: 1 } as const
      expect(readOutcome(recordOf(sent))).toMatchObject({ oidcSessionId: 'oidc-1' })
      expect(readOutcome(recordOf(failed))).toMatchObject({ oidcSessionId: 'oidc-1' })
      expect(readFailedOutcome(recordOf(sent))).toBeUndefined()
      expect(readFailedOutcome(recordOf(failed))).toMatchObject({ kind: 'failed' })
    })

    /** Judges twice: earlier results must not matter. */
    function judged(result: AttemptResult): Verdict {
      const verdict = it.transport.judge(result)
      expect(it.transport.judge(result)).toBe(verdict)
      return verdict
    }

    function recordOf(outcome: Outcome): WireRecord {
      const cause = { origin: sampleOrigin(), occurredAtMs: NOW, everywhere: false }
      const { outcomeTypes } = it.transport
      const { value, headers } = outcomeRecord('t', outcome, sampleRegistration(), cause, outcomeTypes)
      return {
        ...{ topic: 't', partition: 0, offset: 0, timestampMs: NOW, key: null },
        value: Buffer.from(String(value)),
        headers: Object.fromEntries(
          Object.entries(headers).map(([key, it]) => [key, Buffer.from(String(it))]),
        ),
      }
    }
  })
}

/** A transport must not write to a delivery: it may wait and be prepared again. */
function deepFrozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) deepFrozen(each)
  return Object.freeze(value)
}
