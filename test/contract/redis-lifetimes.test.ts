import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ParkedDelivery } from '../../src/delivery/backlog.ts'
import { writeRegistration } from '../../src/events/registration.ts'
import { RedisBacklog } from '../../src/redis/redis-backlog.ts'
import { RedisRegistry } from '../../src/redis/redis-registry.ts'
import type { OwedGroup } from '../../src/registry/ending.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../unit/sample-registration.ts'
import { RedisFixture } from './redis-fixture.ts'

const LIFETIME = 600_000
const TOMBSTONE = 120_000

/** What only the store with real expiry can show: how long things live, and what others may write into it. */
describe('lifetimes in Redis', () => {
  let fixture: RedisFixture
  let registry: RedisRegistry
  let backlog: RedisBacklog

  beforeEach(async () => {
    fixture = await RedisFixture.create()
    const { keys, redis } = fixture
    registry = new RedisRegistry({ keys, redis, sessionLifetimeMs: LIFETIME, tombstoneMs: TOMBSTONE })
    backlog = new RedisBacklog(redis, keys)
  })
  afterEach(() => fixture[Symbol.asyncDispose]())

  const registration = sampleRegistration()
  const sessionKey = () => fixture.keys.session(ISSUER, 'session-1')
  const ttl = async (key: string) => Number(await fixture.redis.command('PTTL', key))
  const register = () => registry.apply([{ kind: 'register', registration, origin: sampleOrigin() }])
  const end = () =>
    registry.apply([{ kind: 'end-session', issuer: ISSUER, sessionId: 'session-1', ending: sampleEnding() }])
  const parkUntil = (deadlineMs: number) => {
    const cause = { origin: sampleOrigin(), occurredAtMs: 0, everywhere: false }
    const delivery: ParkedDelivery = {
      rpKey: `${ISSUER}|client-1`,
      issuer: ISSUER,
      sessionId: 'session-1',
      oidcSessionId: 'oidc-1',
      dueMs: 0,
      state: { attempts: 1, doubtful: 0, deadlineMs, cause },
    }
    return backlog.park([delivery])
  }

  test('registrations and tombstones end by themselves', async () => {
    await register()
    await end()
    for (const [key, lifetime] of [
      [sessionKey(), LIFETIME],
      [fixture.keys.user(ISSUER, 'user-1'), LIFETIME],
      [fixture.keys.ended(ISSUER, 'session-1'), TOMBSTONE],
    ] as const) {
      const left = await ttl(key)
      expect(left).toBeGreaterThan(0)
      expect(left).toBeLessThanOrEqual(lifetime)
    }
  })

  test('a tombstone that comes from an outcome alone ends too', async () => {
    const { issuer, sessionId, oidcSessionId } = registration
    await registry.forget([
      { issuer, sessionId, oidcSessionId, registeredAtMs: 1, recordedAtMs: 0, origin: sampleOrigin() },
    ])
    const left = await ttl(fixture.keys.ended(ISSUER, 'session-1'))
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(TOMBSTONE)
  })

  test('settling does not take the tombstone its end', async () => {
    await register()
    await end()
    await registry.settle([registration])
    expect(await ttl(fixture.keys.ended(ISSUER, 'session-1'))).toBeGreaterThan(0)
  })

  test('parking stretches the registration past the deadline of its delivery', async () => {
    await register()
    const deadlineMs = Date.now() + 10 * LIFETIME
    await parkUntil(deadlineMs)
    expect(await ttl(sessionKey())).toBeGreaterThan(deadlineMs - Date.now())
  })

  test('parking never shortens a registration’s life, nor gives an end to one without', async () => {
    await register()
    await fixture.redis.command('PEXPIRE', sessionKey(), 50 * LIFETIME)
    await parkUntil(Date.now() + 1_000)
    expect(await ttl(sessionKey())).toBeGreaterThan(49 * LIFETIME)
    await fixture.redis.command('PERSIST', sessionKey())
    await parkUntil(Date.now() + 10 * LIFETIME)
    expect(await ttl(sessionKey())).toBe(-1)
  })

  test('registering again never shortens it either', async () => {
    await register()
    await fixture.redis.command('PEXPIRE', sessionKey(), 50 * LIFETIME)
    await register()
    expect(await ttl(sessionKey())).toBeGreaterThan(49 * LIFETIME)
  })

  test('after all is settled nothing is left but the tombstone', async () => {
    await register()
    await parkUntil(Date.now() + LIFETIME)
    await end()
    await registry.settle([registration])
    await backlog.remove(await backlog.claim(`${ISSUER}|client-1`, Number.MAX_SAFE_INTEGER, 0, 1))
    expect(await fixture.redis.command('KEYS', `${fixture.prefix}:*`)).toEqual([
      fixture.keys.ended(ISSUER, 'session-1'),
    ])
  })

  test('an identity provider may write registrations and tombstones itself', async () => {
    const { issuer, sessionId, ...own } = JSON.parse(writeRegistration(registration)) as Record<
      string,
      unknown
    >
    await fixture.redis.command(
      'HSET',
      sessionKey(),
      'oidc-1',
      JSON.stringify(own),
      'bad',
      '{',
      'worse',
      '{"clientId":"c"}',
    )
    const [answer] = await end()
    if (answer?.kind !== 'owed') throw new Error('nothing is owed')
    const [group] = answer.groups as [OwedGroup]
    expect(group.registrations).toEqual([registration])
    const broken = [...group.broken].sort((x, y) => x.oidcSessionId.localeCompare(y.oidcSessionId))
    expect(broken).toMatchObject([
      { issuer: ISSUER, sessionId: 'session-1', oidcSessionId: 'bad', partial: {} },
      { issuer: ISSUER, sessionId: 'session-1', oidcSessionId: 'worse', partial: { clientId: 'c' } },
    ])
    await fixture.redis.command('SET', fixture.keys.ended(ISSUER, 'session-2'), 'by hand')
    const late = sampleRegistration({ sessionId: 'session-2' })
    const origin = sampleOrigin({ id: 'registration' })
    expect(await registry.apply([{ kind: 'register', registration: late, origin }])).toEqual([
      {
        kind: 'registered',
        endedBy: {
          origin,
          occurredAtMs: late.registeredAtMs,
          untilMs: late.registeredAtMs,
          everywhere: false,
        },
      },
    ])
  })

  test('a server that has forgotten its scripts is taught them again', async () => {
    await register()
    await fixture.redis.command('SCRIPT', 'FLUSH')
    expect((await end())[0]).toMatchObject({ groups: [{ registrations: [registration] }] })
    await fixture.redis.command('SCRIPT', 'FLUSH')
    await parkUntil(Date.now() + LIFETIME)
    expect(await backlog.claim(`${ISSUER}|client-1`, Date.now(), Date.now() + 1_000, 1)).toHaveLength(1)
  })

  test('a server that forgot its scripts again while it was taught them failed the command', async () => {
    let isOver = false
    const forgetting = (async () => {
      while (!isOver) await fixture.redis.command('SCRIPT', 'FLUSH')
    })()
    try {
      for (let count = 0; count < 200; count++) await register()
    } finally {
      isOver = true
      await forgetting
    }
  })
})
