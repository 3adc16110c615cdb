import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RedisRecoveryRegistry } from '../../src/redis/redis-recovery-registry.ts'
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

describe('what failed and was reopened', () => {
  let fixture: RedisFixture
  let registry: RedisRegistry
  beforeEach(async () => {
    fixture = await RedisFixture.create()
    registry = registryOn(fixture)
  })
  afterEach(() => fixture[Symbol.asyncDispose]())

  const registration = sampleRegistration()
  const record = { kind: 'register', registration, origin: sampleOrigin() } as const
  const { issuer, sessionId, oidcSessionId, registeredAtMs } = { registeredAtMs: 0, ...registration }
  const outcome = (recordedAtMs: number) => ({
    ...{ issuer, sessionId, oidcSessionId, registeredAtMs, recordedAtMs },
    origin: sampleOrigin(),
    occurredAtMs: registeredAtMs,
  })
  const owedAgain = expect.objectContaining({ ...registration, reopenedAtMs: expect.any(Number) })

  async function reopen(): Promise<void> {
    const { keys, redis } = fixture
    const recovery = new RedisRecoveryRegistry({ keys, redis, sessionLifetimeMs: 86_400_000 })
    await recovery.reopen([{ registration, deadlineMs: Date.now() + 60_000 }])
  }

  test('outlives a look at the log from its start, and is settled by what is written since', async () => {
    const failed = outcome(Date.now())
    await registry.apply([record])
    await registry.forget([failed])
    await reopen()
    await registry.apply([record])
    await registry.forget([failed])
    expect(await registry.find([registration])).toEqual([owedAgain])
    await registry.forget([outcome(Date.now() + 1)])
    expect(await registry.find([registration])).toEqual([undefined])
    expect(await registry.areSettled([registration])).toEqual([true])
  })

  test('is not remembered as settled, so that it does not vanish without an outcome', async () => {
    const [longer, later] = [{ ...outcome(Date.now()), oidcSessionId: `${oidcSessionId}0` }, registration]
    await registry.forget([outcome(Date.now()), longer])
    await reopen()
    await registry.forget([outcome(0)])
    await fixture.redis.command('DEL', fixture.keys.session(issuer, sessionId))
    expect(await registry.areSettled([later, longer])).toEqual([false, true])
  })
})
