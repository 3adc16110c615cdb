import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RedisRegistry } from '../../src/redis/redis-registry.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { ISSUER, sampleOrigin, sampleRegistration } from '../unit/sample-registration.ts'
import { RedisFixture } from './redis-fixture.ts'
import { testRegistry } from './registry-contract.ts'

testRegistry('memory', async () => ({
  registry: new MemoryRegistry(),
  [Symbol.asyncDispose]: async () => undefined,
}))

testRegistry('Redis', async () => {
  const fixture = await RedisFixture.create()
  return { registry: registryOn(fixture), [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() }
})

function registryOn({ keys, redis }: RedisFixture): RedisRegistry {
  return new RedisRegistry({ keys, redis, sessionLifetimeMs: 86_400_000, tombstoneMs: 3_600_000 })
}

describe('a pending outcome beside what an identity provider has written', () => {
  let fixture: RedisFixture
  beforeEach(async () => {
    fixture = await RedisFixture.create()
  })
  afterEach(() => fixture[Symbol.asyncDispose]())

  const pendingOutcome = {
    outcome: { kind: 'sent', jti: 'j', attempts: 1, status: 200 },
    origin: sampleOrigin(),
    occurredAtMs: 1,
  } as const
  const name = { issuer: ISSUER, sessionId: 'session-1', oidcSessionId: 'oidc-1' }
  const key = () => fixture.keys.session(ISSUER, 'session-1')

  async function noted(json: string): Promise<unknown> {
    await fixture.redis.command('HSET', key(), 'oidc-1', json)
    await registryOn(fixture).notePending([{ ...name, pendingOutcome }])
    return fixture.redis.command('HGET', key(), 'oidc-1')
  }

  test('leaves its text as it was', async () => {
    const { registeredAtMs: _, ...registration } = sampleRegistration()
    const json = `{ "large": 12345678901234567890, "empty": [], "text": "\\u00e9 } {", ${JSON.stringify(registration).slice(1, -1)} }`
    expect(await noted(`${json}\n`)).toBe(
      `${json.slice(0, -2)},"pendingOutcome":${JSON.stringify(pendingOutcome)}}`,
    )
    expect(await registryOn(fixture).find([name])).toEqual([{ ...registration, pendingOutcome }])
  })

  test.each(['', '{}', ' { } ', '[]', 'nothing', '"text"', '{"a":1'])('leaves %j alone', async (json) => {
    expect(await noted(json)).toBe(json)
  })

  test('a key of another type holds up no other', async () => {
    await fixture.redis.command('SET', key(), 'foreign')
    const registration = sampleRegistration({ sessionId: 'session-2' })
    const registry = registryOn(fixture)
    await registry.apply([{ kind: 'register', registration, origin: sampleOrigin() }])
    await registry.notePending([name, registration].map((it) => ({ ...it, pendingOutcome })))
    expect(await registry.find([registration])).toEqual([{ ...registration, pendingOutcome }])
  })

  test.each([
    ['null', null],
    ['a text', 'sent'],
    ['an unknown kind', { ...pendingOutcome, outcome: { kind: 'lost' } }],
    ['no trigger', { outcome: pendingOutcome.outcome, occurredAtMs: 1 }],
  ])('one that cannot be read counts for nothing: %s', async (_, pending) => {
    const registration = sampleRegistration()
    const { registeredAtMs, ...rest } = registration
    const json = JSON.stringify({ ...rest, registeredAt: registeredAtMs, pendingOutcome: pending })
    await fixture.redis.command('HSET', key(), 'oidc-1', json)
    expect(await registryOn(fixture).find([name])).toEqual([registration])
  })
})
