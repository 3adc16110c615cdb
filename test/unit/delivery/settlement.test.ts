import { describe, expect, test } from 'vitest'
import { Gate } from '../../../src/lib/gate.ts'
import { sampleRegistration } from '../sample-registration.ts'
import { deliveryFixture } from './delivery-fixture.ts'

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
