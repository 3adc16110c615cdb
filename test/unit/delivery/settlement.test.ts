import { afterEach, describe, expect, test, vi } from 'vitest'
import { Gate } from '../../../src/lib/gate.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { deliveryFixture } from './delivery-fixture.ts'

/** Between two looks for outcomes that are late. */
const LOOKS_MS = 250

afterEach(() => void vi.useRealTimers())

/** A delivery claimed from the backlog, so that all three stores know of it. */
async function claimed(acknowledged?: () => Promise<void>) {
  const fixture = deliveryFixture(acknowledged === undefined ? {} : { acknowledged })
  const registration = sampleRegistration()
  const origin = { id: 'trigger-1', topic: 't', partition: 0, offset: 0 }
  await fixture.registry.apply([{ kind: 'register', registration, origin }])
  const cause = { origin, occurredAtMs: fixture.clock.now(), everywhere: false }
  const deadlineMs = fixture.clock.now() + 1_000_000
  const parked = { attempts: 1, doubtful: 0, deadlineMs, cause }
  fixture.core.admission.admit([{ registration, cause, deadlineMs, parked }])
  const isOwed = async () => (await fixture.registry.find([registration]))[0] !== undefined
  return { ...fixture, isOwed }
}

describe('settlement', () => {
  test('publishes, then removes the registration, then takes the delivery from the backlog', async () => {
    const { attempts, steps, stored } = await claimed()
    attempts[0]?.answer({ kind: 'answered', status: 200 })
    await stored()
    expect(steps).toEqual(['publish oidc-1', 'settle oidc-1', 'remove oidc-1'])
  })

  test('as long as the outcome is not acknowledged, the registration stays and nobody is told', async () => {
    const asked = new Gate(false)
    const acknowledgement = new Gate(false)
    const { attempts, core, isOwed, steps, stored } = await claimed(() => {
      asked.open()
      return acknowledgement.wait()
    })
    attempts[0]?.answer({ kind: 'answered', status: 200 })
    await asked.wait()
    // Whatever would follow without an acknowledgement has its turn here.
    await new Promise<void>((resolve) => setImmediate(resolve))
    expect([steps, await isOwed(), core.open.size]).toEqual([['publish oidc-1'], true, 1])
    acknowledgement.open()
    await stored()
    expect([await isOwed(), core.open.size]).toEqual([false, 0])
  })

  test('as long as the registration is there, the delivery stays in the backlog', async () => {
    const asked = new Gate(false)
    const removal = new Gate(false)
    const { attempts, registry, steps, stored } = await claimed()
    const settle = registry.settle.bind(registry)
    registry.settle = async (keys) => {
      asked.open()
      await removal.wait()
      await settle(keys)
    }
    attempts[0]?.answer({ kind: 'answered', status: 200 })
    await asked.wait()
    await new Promise<void>((resolve) => setImmediate(resolve))
    expect(steps).toEqual(['publish oidc-1'])
    removal.open()
    await stored()
    expect(steps).toEqual(['publish oidc-1', 'settle oidc-1', 'remove oidc-1'])
  })

  test('an outcome that is refused is published again under the same id', async () => {
    let refusals = 1
    const { attempts, isOwed, published, steps, stored } = await claimed(async () => {
      if (refusals-- > 0) throw new Error('not enough replicas')
    })
    attempts[0]?.answer({ kind: 'answered', status: 200 })
    await stored()
    expect(steps).toEqual(['publish oidc-1', 'publish oidc-1', 'settle oidc-1', 'remove oidc-1'])
    expect(published).toHaveLength(1)
    expect(await isOwed()).toBe(false)
  })
})

describe('an outcome that Kafka does not take', () => {
  const told = { outcome: { kind: 'sent', attempts: 2, status: 200 } }

  test('is noted at its registration as soon as it is refused', async () => {
    const { attempts, noted, stored, steps } = await claimed(async () => {
      if (steps.length === 1) throw new Error('not enough replicas')
    })
    attempts[0]?.answer({ kind: 'answered', status: 200 })
    await stored()
    expect(noted).toMatchObject([{ oidcSessionId: 'oidc-1', pendingOutcome: told }])
    expect(steps).toEqual(['publish oidc-1', 'publish oidc-1', 'settle oidc-1', 'remove oidc-1'])
  })

  test('is noted once when it is late, and not when it is soon taken', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const acknowledgement = new Gate(false)
    const { attempts, clock, noted, stored } = await claimed(() => acknowledgement.wait())
    attempts[0]?.answer({ kind: 'answered', status: 200 })
    await vi.advanceTimersByTimeAsync(LOOKS_MS)
    expect(noted).toEqual([])
    clock.nowMs += 500
    await vi.advanceTimersByTimeAsync(3 * LOOKS_MS)
    expect(noted).toMatchObject([{ oidcSessionId: 'oidc-1', pendingOutcome: told }])
    acknowledgement.open()
    await stored()
    clock.nowMs += 1_000
    await vi.advanceTimersByTimeAsync(3 * LOOKS_MS)
    expect(noted).toHaveLength(1)
  })

  test('that could not be noted, because Redis is away as well, is noted later', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const acknowledgement = new Gate(false)
    const { attempts, clock, noted, registry } = await claimed(() => acknowledgement.wait())
    const note = registry.notePending.bind(registry)
    let failures = 0
    registry.notePending = async (decided) => {
      if (failures++ === 0) throw new Error('Redis is away')
      await note(decided)
    }
    attempts[0]?.answer({ kind: 'answered', status: 200 })
    clock.nowMs += 500
    await vi.advanceTimersByTimeAsync(3 * LOOKS_MS)
    expect([failures, noted.length]).toEqual([2, 1])
  })

  test('of a registration that cannot be read is not noted: whoever reads it finds it invalid', async () => {
    const { core, noted, stored, steps } = deliveryFixture({
      acknowledged: async () => {
        if (steps.length === 1) throw new Error('not enough replicas')
      },
    })
    const broken = { issuer: ISSUER, sessionId: 's', oidcSessionId: 'o', reason: 'is not JSON', partial: {} }
    core.admission.refuse(broken, { origin: sampleOrigin(), occurredAtMs: 1, everywhere: false }, undefined)
    await stored()
    expect(noted).toEqual([])
  })
})

describe('a registration of which the outcome is decided', () => {
  const decided = {
    ...sampleRegistration(),
    pendingOutcome: {
      outcome: { kind: 'sent', jti: 'jti-of-another', attempts: 3, status: 204 },
      origin: sampleOrigin({ id: 'earlier' }),
      occurredAtMs: 1,
    },
  } as const

  test('is not sent again: its outcome is published under the trigger that it came from', async () => {
    const { attempts, concluded, core, outcomes, owe, settled, stored } = deliveryFixture()
    const [sourceRecord] = await owe([decided])
    await stored()
    expect(attempts).toEqual([])
    expect(outcomes()).toMatchObject([
      {
        type: 'backchannel-logout-sent',
        jti: 'jti-of-another',
        attempts: 3,
        status: 204,
        trigger: { id: 'earlier' },
      },
    ])
    expect([sourceRecord?.isSettled, core.open.size, settled, concluded]).toEqual([true, 0, [], ['sent']])
  })

  test('leaves the backlog by the name that it has there', async () => {
    const { backlog, core, stored } = deliveryFixture()
    const cause = { origin: sampleOrigin({ id: 'later' }), occurredAtMs: 2, everywhere: false }
    const state = { attempts: 1, doubtful: 0, deadlineMs: 9_000_000, cause }
    const { issuer, sessionId, oidcSessionId, clientId } = decided
    const parked = { rpKey: `${issuer}|${clientId}`, issuer, sessionId, oidcSessionId, dueMs: 0, state }
    await backlog.park([parked])
    core.admission.admit([{ registration: decided, cause, deadlineMs: state.deadlineMs, parked: state }])
    await stored()
    expect(await backlog.sizes(10)).toEqual([])
  })
})
