import { describe, expect, test } from 'vitest'
import type { ParkedDelivery } from '../../../src/delivery/backlog.ts'
import { discard } from '../../../src/delivery/discard.ts'
import type { OutgoingRecord } from '../../../src/delivery/outcome-log.ts'
import { MemoryBacklog } from '../../support/memory-backlog.ts'
import { MemoryRegistry } from '../../support/memory-registry.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../sample-registration.ts'

const OUTCOMES = 'outcomes'
const RP = `${ISSUER}|client-1`

/** Two parked deliveries, of which one has a registration. */
async function site() {
  const [registry, backlog] = [new MemoryRegistry(), new MemoryBacklog()]
  const registration = sampleRegistration()
  const settled = sampleRegistration({ sessionId: 'settled' })
  await registry.apply([
    { kind: 'register', registration, origin: sampleOrigin() },
    { kind: 'end-session', issuer: ISSUER, sessionId: 'settled', ending: sampleEnding() },
  ])
  await registry.settle([settled])
  const cause = { origin: sampleOrigin(), occurredAtMs: 1, everywhere: false }
  const state = { attempts: 2, doubtful: 0, deadlineMs: 9, lastStatus: 503, lastError: 'HTTP 503', cause }
  const parked = ['session-1', 'settled'].map((sessionId): ParkedDelivery => {
    return { rpKey: RP, issuer: ISSUER, sessionId, oidcSessionId: 'oidc-1', dueMs: 5, state }
  })
  await backlog.park(parked)
  return { registry, backlog, registration, parked }
}

describe('discarding parked deliveries', () => {
  test('ends each as failed: discarded, with all that is needed to deliver it again', async () => {
    const { registry, backlog, registration, parked } = await site()
    const appended: OutgoingRecord[] = []
    const log = { append: async (records: readonly OutgoingRecord[]) => void appended.push(...records) }
    const owed = await discard(parked, { registry, backlog, log, outcomeTopic: OUTCOMES })
    expect(owed.map(({ sessionId }) => sessionId)).toEqual(['session-1'])
    expect(appended).toHaveLength(1)
    expect(appended[0]).toMatchObject({ topic: OUTCOMES, key: 'session-1' })
    expect(JSON.parse(String(appended[0]?.value))).toMatchObject({
      reason: 'discarded',
      attempts: 2,
      lastStatus: 503,
      lastError: 'discarded by an operator after: HTTP 503',
      userId: registration.userId,
      backchannelLogoutUri: registration.backchannelLogoutUri,
    })
    expect(await registry.find([registration])).toEqual([undefined])
    expect(await backlog.sizes(10)).toEqual([])
  })

  test('one that the RP had accepted ends as sent', async () => {
    const { registry, backlog, registration, parked } = await site()
    const outcome = { kind: 'sent', jti: 'jti-1', attempts: 3, status: 200 } as const
    const pendingOutcome = { outcome, origin: sampleOrigin({ id: 'earlier' }), occurredAtMs: 1 }
    await registry.notePending([{ ...registration, pendingOutcome }])
    const appended: OutgoingRecord[] = []
    const log = { append: async (records: readonly OutgoingRecord[]) => void appended.push(...records) }
    expect(await discard(parked, { registry, backlog, log, outcomeTopic: OUTCOMES })).toEqual([])
    expect(appended.map(({ headers }) => headers.ce_type)).toEqual(['backchannel-logout-sent'])
    expect(JSON.parse(String(appended[0]?.value))).toMatchObject({ jti: 'jti-1', trigger: { id: 'earlier' } })
    expect(await registry.find([registration])).toEqual([undefined])
    expect(await backlog.sizes(10)).toEqual([])
  })

  test('leaves everything as it is when the outcome cannot be published', async () => {
    const { registry, backlog, registration, parked } = await site()
    const log = { append: () => Promise.reject(new Error('Kafka is away')) }
    await expect(discard(parked, { registry, backlog, log, outcomeTopic: OUTCOMES })).rejects.toThrow('away')
    expect(await registry.find([registration])).toEqual([registration])
    expect(await backlog.sizes(10)).toMatchObject([{ size: 2 }])
  })

  test('a later login under the same ids stays, and its date is not that of the outcome', async () => {
    const { registry, backlog, parked } = await site()
    const later = sampleRegistration({ registeredAtMs: Date.now() })
    await registry.apply([{ kind: 'register', registration: later, origin: sampleOrigin() }])
    const untilMs = Date.now() - 60_000
    const [first] = parked as [ParkedDelivery]
    const old = { ...first, state: { ...first.state, cause: { ...first.state.cause, untilMs } } }
    await backlog.park([old])
    const appended: OutgoingRecord[] = []
    const log = { append: async (records: readonly OutgoingRecord[]) => void appended.push(...records) }
    await discard([old], { registry, backlog, log, outcomeTopic: OUTCOMES })
    expect(JSON.parse(String(appended[0]?.value))).toMatchObject({
      reason: 'discarded',
      registeredAt: untilMs,
    })
    expect(await registry.find([later])).toEqual([later])
  })

  test('one whose registration has gone without an outcome gets one', async () => {
    const { registry, backlog, parked } = await site()
    const gone = { ...(parked[0] as ParkedDelivery), sessionId: 'gone' }
    await backlog.park([gone])
    const appended: OutgoingRecord[] = []
    const log = { append: async (records: readonly OutgoingRecord[]) => void appended.push(...records) }
    expect(await discard([gone], { registry, backlog, log, outcomeTopic: OUTCOMES })).toEqual([gone])
    expect(JSON.parse(String(appended[0]?.value))).toMatchObject({
      sessionId: 'gone',
      clientId: 'client-1',
      reason: 'discarded',
    })
  })
})
