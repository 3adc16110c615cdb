import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FittingLog } from '../../../src/delivery/fitting-log.ts'
import type { OutgoingRecord } from '../../../src/delivery/outcome-log.ts'
import { outcomeRecord } from '../../../src/delivery/outcome-record.ts'
import type { FailureReason, Outcome } from '../../../src/events/outcome.ts'
import { deadLetter } from '../../../src/intake/dead-letter.ts'
import { RelayFault } from '../../../src/lib/errors.ts'
import { wireRecord } from '../events/wire-records.ts'
import { sampleOrigin, sampleRegistration } from '../sample-registration.ts'

const bytesOf = (it: unknown): number =>
  Buffer.isBuffer(it) ? it.length : it === null ? 0 : Buffer.byteLength(String(it))

function sizeOf({ key, value, headers }: OutgoingRecord): number {
  const texts = Object.entries(headers).flatMap(([name, header]) => [name, header].flat())
  return [key, value, ...texts].reduce<number>((sum, it) => sum + bytesOf(it), 70)
}

/** A topic that refuses what is larger than that in one partition of one request. */
function topicThatTakes(bytesMax: number, refusals: Iterator<boolean> = [][Symbol.iterator]()) {
  const appended: OutgoingRecord[] = []
  const cut: OutgoingRecord[] = []
  let requests = 0
  const log = new FittingLog(
    {
      append: async (records) => {
        requests++
        if (refusals.next().value === true) throw new Error('not enough replicas')
        const batches = new Map<number, number>()
        for (const it of records) {
          batches.set(it.partition ?? 0, (batches.get(it.partition ?? 0) ?? 0) + sizeOf(it))
        }
        if (Math.max(...batches.values()) > bytesMax) throw new RelayFault('LR_RECORD_TOO_LARGE', 'too large')
        appended.push(...records)
      },
    },
    (record) => cut.push(record),
  )
  return { appended, cut, log, requests: () => requests }
}

function outcome(n: number, { error = 'HTTP 503', id = 10, tracestate = 0, kind = 'failed' } = {}) {
  const result: Outcome =
    kind === 'sent'
      ? { kind: 'sent', jti: `jti-${n}`, attempts: n, status: 200 }
      : { kind: 'failed', reason: 'expired', attempts: n, jti: `jti-${n}`, lastStatus: 503, lastError: error }
  const longId = 'i'.repeat(id)
  const subject = sampleRegistration({
    sessionId: `${n}${longId}`,
    oidcSessionId: `o${longId}`,
    clientId: longId,
  })
  const origin = sampleOrigin({ id: `t${longId}` })
  const cause = {
    origin,
    occurredAtMs: 1,
    everywhere: false,
    traceparent: 'p',
    tracestate: 'x'.repeat(tracestate),
  }
  return outcomeRecord('outcomes', result, subject, cause)
}

const dataOf = ({ value }: OutgoingRecord) => JSON.parse(String(value)) as Record<string, unknown>
const sessionsOf = (records: readonly OutgoingRecord[]) => records.map((it) => String(dataOf(it).sessionId))

describe('outcomes that are too large for the topic', () => {
  test('many small ones together are appended in parts: each once, in order, whole', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1_500, max: 20_000 }),
        async (count, partitions, bytesMax) => {
          const records = Array.from({ length: count }, (_, n) => ({
            ...outcome(n),
            partition: n % partitions,
          }))
          const { appended, cut, log } = topicThatTakes(bytesMax)
          await log.append(records)
          expect(appended).toEqual(records)
          expect(cut).toEqual([])
        },
      ),
      { numRuns: 30 },
    )
  })

  test.each(['sent', 'failed'])(
    'a single %s one is cut to what identifies it; the others beside it are whole',
    async (kind) => {
      const { appended, cut, log } = topicThatTakes(1_500)
      const large = outcome(1, { kind, error: 'e'.repeat(5_000), tracestate: 2_000 })
      await log.append([outcome(0), large, outcome(2)])
      expect(cut).toEqual([large])
      expect(sessionsOf(appended)).toEqual(sessionsOf([outcome(0), large, outcome(2)]))
      expect([appended[0], appended[2]]).toMatchObject([
        { value: outcome(0).value },
        { value: outcome(2).value },
      ])
      const all = dataOf(large)
      const identity = dataOf(appended[1] as OutgoingRecord)
      const names = [
        'issuer',
        'sessionId',
        'oidcSessionId',
        'clientId',
        'jti',
        'attempts',
        'status',
        'trigger',
      ]
      for (const name of names) expect(identity[name]).toEqual(all[name])
      expect(identity.reason).toBe(kind === 'failed' ? ('expired' satisfies FailureReason) : undefined)
      const { ce_id, ce_type } = large.headers
      expect(appended[1]?.headers).toMatchObject({ ce_id, ce_type, 'outcome-cut': 'details' })
      expect(appended[1]?.headers.tracestate).toBeUndefined()
    },
  )

  test('one whose ids alone are too large is published under its own id, with what fits of them', async () => {
    const { appended, cut, log } = topicThatTakes(1_500)
    const large = outcome(1, { id: 1_023 })
    await log.append([large])
    expect(cut).toEqual([large])
    expect(appended).toHaveLength(1)
    expect(appended[0]?.headers.ce_id).toBe(large.headers.ce_id)
    expect(String(dataOf(appended[0] as OutgoingRecord).sessionId)).toMatch(/^1i+…$/)
  })

  test('a topic that takes nothing at all is a fault, told to whoever repeats the batch', async () => {
    const { appended, cut, log } = topicThatTakes(1)
    await expect(log.append([outcome(0), outcome(1)])).rejects.toMatchObject({ code: 'LR_RECORD_TOO_LARGE' })
    expect([appended, cut]).toEqual([[], []])
  })

  test('another fault on the way is no reason to cut anything', async () => {
    const { cut, log } = topicThatTakes(1_500, [false, true][Symbol.iterator]())
    await expect(log.append([outcome(1, { error: 'e'.repeat(5_000) })])).rejects.toThrow(
      'not enough replicas',
    )
    expect(cut).toEqual([])
  })

  test('nothing is sent in a request that no broker would read', async () => {
    const { appended, log, requests } = topicThatTakes(Number.POSITIVE_INFINITY)
    const records = Array.from({ length: 40 }, (_, n) => ({ ...outcome(n), value: Buffer.alloc(2_000_000) }))
    await log.append(records)
    expect(appended).toHaveLength(40)
    expect(requests()).toBeGreaterThan(4)
  })
})

describe('dead letters that are too large for the topic', () => {
  const origin = ['dead-letter-reason', 'dead-letter-topic', 'dead-letter-partition', 'dead-letter-offset']

  test.each([
    { part: 'value', value: 50_000, headers: 0, key: 0 },
    { part: 'headers', value: 10, headers: 50_000, key: 0 },
    { part: 'key', value: 10, headers: 10, key: 50_000 },
    { part: 'everything', value: 5_000_000, headers: 50_000, key: 50_000 },
  ])(
    'by their $part are cut until they fit, and say from where they are',
    async ({ value, headers, key }) => {
      const { appended, log } = topicThatTakes(1_000)
      const bytes = Buffer.alloc(value, 'v')
      const record = { ...wireRecord(bytes, { theirs: Buffer.alloc(headers) }), key: Buffer.alloc(key, 'k') }
      await log.append([deadLetter('dead', record, 'is not JSON')])
      expect(appended).toHaveLength(1)
      const [letter] = appended as [OutgoingRecord]
      for (const name of origin) expect(letter.headers[name]).toBeDefined()
      expect(letter.headers['dead-letter-cut']).toContain(`of ${value} bytes`)
      expect(bytes.subarray(0, letter.value?.length ?? 0).equals(Buffer.from(letter.value ?? ''))).toBe(true)
    },
  )
})

test('a record that names itself as its shorter form is refused, and not tried for ever', async () => {
  const record: OutgoingRecord = { topic: 't', key: 'k', value: 'x', headers: {}, shorter: () => record }
  const tooLarge = async () => {
    throw new RelayFault('LR_RECORD_TOO_LARGE', 'no')
  }
  const log = new FittingLog({ append: tooLarge }, () => undefined)
  await expect(log.append([record])).rejects.toMatchObject({ code: 'LR_RECORD_TOO_LARGE' })
})

test('every form of an outcome is another one, and the last has none', () => {
  const outcome = { kind: 'failed', reason: 'expired', attempts: 1, lastError: 'e'.repeat(99) } as const
  const subject = { issuer: 'https://op', sessionId: 's'.repeat(200), oidcSessionId: 'o', clientId: 'c' }
  const cause = {
    origin: { id: 't', topic: 'in', partition: 0, offset: 1 },
    occurredAtMs: 1,
    everywhere: false,
  }
  const whole = outcomeRecord('t', outcome, subject, cause)
  const identity = whole.shorter?.()
  const cut = identity?.shorter?.()
  expect([whole, identity, cut].map((it) => it?.headers['outcome-cut'])).toEqual([
    undefined,
    'details',
    'details, ids',
  ])
  expect(cut?.shorter).toBeUndefined()
})
