import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ParkedDelivery } from '../../src/delivery/backlog.ts'
import { writeRegistration } from '../../src/events/registration.ts'
import { RedisBacklog } from '../../src/redis/redis-backlog.ts'
import { RedisRegistry } from '../../src/redis/redis-registry.ts'
import type { OwedGroup } from '../../src/registry/ending.ts'
import { partsOf } from '../../src/registry/registry.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../unit/sample-registration.ts'
import { RedisFixture } from './redis-fixture.ts'

const LIFETIME = 600_000
const TOMBSTONE = 120_000

/** What only a store with real expiry shows: TTLs, and foreign writes. */
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

  test('what is parked for a paused RP is kept beyond its deadline', async () => {
    await register()
    await end()
    await parkUntil(Date.now())
    expect(await ttl(sessionKey())).toBeLessThan(5 * LIFETIME)
    await backlog.keep(`${ISSUER}|client-1`, Date.now() + 10 * LIFETIME)
    expect(await ttl(sessionKey())).toBeGreaterThan(9 * LIFETIME)
    expect(await ttl(fixture.keys.ended(ISSUER, 'session-1'))).toBeGreaterThan(9 * LIFETIME)
  })

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

  test('parking stretches the memory of the end as well', async () => {
    await register()
    await end()
    const deadlineMs = Date.now() + 10 * TOMBSTONE
    await parkUntil(deadlineMs)
    expect(await ttl(fixture.keys.ended(ISSUER, 'session-1'))).toBeGreaterThan(deadlineMs - Date.now())
    await end()
    expect(await ttl(fixture.keys.ended(ISSUER, 'session-1'))).toBeGreaterThan(deadlineMs - Date.now())
  })

  test('a session whose life ends while it is told lives until its deadline is over', async () => {
    await register()
    await fixture.redis.command('PEXPIRE', sessionKey(), 500)
    const ending = sampleEnding({ deadlineMs: Date.now() + LIFETIME })
    await registry.apply([{ kind: 'end-session', issuer: ISSUER, sessionId: 'session-1', ending }])
    expect(await ttl(sessionKey())).toBeGreaterThan(LIFETIME)
    await fixture.redis.command('PERSIST', sessionKey())
    await registry.apply([{ kind: 'end-session', issuer: ISSUER, sessionId: 'session-1', ending }])
    expect(await ttl(sessionKey())).toBe(-1)
  })

  describe('the index of a user', () => {
    const index = () => fixture.keys.user(ISSUER, 'user-1')
    const entries = async () => ((await fixture.redis.command('ZRANGE', index(), 0, -1)) as string[]).sort()
    const signOut = async () => {
      const [answer] = await registry.apply([
        { kind: 'end-user', issuer: ISSUER, userId: 'user-1', ending: sampleEnding({ everywhere: true }) },
      ])
      if (answer?.kind !== 'owed') throw new Error('nothing is owed')
      const found: string[] = []
      for await (const { groups } of partsOf(answer))
        found.push(...groups.flatMap(({ registrations }) => registrations.map((it) => it.sessionId)))
      return found.sort()
    }
    const registerIn = (sessionId: string) =>
      registry.apply([
        { kind: 'register', registration: sampleRegistration({ sessionId }), origin: sampleOrigin() },
      ])

    test('outlives every session that it names, also one that lives longer than others', async () => {
      await register()
      await fixture.redis.command('PEXPIRE', sessionKey(), 50 * LIFETIME)
      await register()
      await registerIn('session-2')
      expect(await ttl(index())).toBeGreaterThan(49 * LIFETIME)
      const score = Number(await fixture.redis.command('ZSCORE', index(), 'session-1'))
      expect(score).toBeGreaterThan(Date.now() + 49 * LIFETIME)
      await fixture.redis.command('PERSIST', sessionKey())
      await register()
      expect(await ttl(index())).toBe(-1)
      expect(await fixture.redis.command('ZSCORE', index(), 'session-1')).toBe('inf')
    })

    test.each([0, 1])(
      'keeps a login under the id of a session that is just being settled, at whatever moment it comes (%i)',
      async (moment) => {
        await register()
        await end()
        const later = sampleRegistration({ oidcSessionId: 'again', registeredAtMs: 5_000_000_000_000 })
        const pipeline = fixture.redis.pipeline.bind(fixture.redis)
        let calls = 0
        fixture.redis.pipeline = async (commands) => {
          const replies = await pipeline(commands)
          if (calls++ !== moment) return replies
          fixture.redis.pipeline = pipeline
          await registry.apply([{ kind: 'register', registration: later, origin: sampleOrigin() }])
          return replies
        }
        await registry.settle([registration])
        fixture.redis.pipeline = pipeline
        const score = Number(await fixture.redis.command('ZSCORE', index(), 'session-1'))
        expect(score).toBeGreaterThan(Date.now() + LIFETIME / 2)
      },
    )

    test('keeps what a replica has written whose clock is behind the one that settles', async () => {
      await register()
      await end()
      await fixture.redis.command('ZADD', index(), Date.now() - 3_000 + LIFETIME, 'session-1')
      await registry.settle([registration])
      expect(await entries()).toEqual(['session-1'])
    })

    test('loses what has expired as new sessions come', async () => {
      for (let i = 0; i < 20; i++) await fixture.redis.command('ZADD', index(), Date.now() - 1, `old-${i}`)
      await registerIn('session-1')
      const left = (await entries()).length
      expect(left).toBeLessThan(21)
      for (let i = 2; i < 6; i++) await registerIn(`session-${i}`)
      expect(await entries()).toEqual([1, 2, 3, 4, 5].map((i) => `session-${i}`))
    })

    test.each([
      ['a sign-out', async () => undefined],
      ['a login', () => registerIn('session-2')],
    ])('a plain set of an earlier version is read and converted by %s', async (_, meet) => {
      await register()
      await fixture.redis.command('DEL', index())
      await fixture.redis.command('SADD', index(), 'session-1')
      await fixture.redis.command('PEXPIRE', index(), LIFETIME)
      await meet()
      expect(await signOut()).toContain('session-1')
      expect(await fixture.redis.command('TYPE', index())).toBe('zset')
      expect(await ttl(index())).toBeGreaterThan(0)
    })

    test('of another type holds up no registration, no sign-out, and no settlement', async () => {
      await fixture.redis.command('RPUSH', index(), 'foreign')
      await fixture.redis.command('RPUSH', fixture.keys.signedOut(ISSUER, 'user-1'), 'foreign')
      const other = sampleRegistration({ userId: 'user-2', sessionId: 'session-2' })
      const answers = await registry.apply([
        { kind: 'register', registration, origin: sampleOrigin() },
        { kind: 'register', registration: other, origin: sampleOrigin() },
      ])
      expect(answers).toEqual([{ kind: 'registered' }, { kind: 'registered' }])
      expect(await signOut()).toEqual([])
      expect(await registry.find([registration, other])).toEqual([registration, other])
      await registry.settle([registration])
      expect(await registry.find([registration])).toEqual([undefined])
    })

    test('is read in parts, whatever its size', async () => {
      const many = Array.from({ length: 1_500 }, (_, i) => `session-${i}`)
      await registry.apply(
        many.map((sessionId) => ({
          kind: 'register' as const,
          registration: sampleRegistration({ sessionId }),
          origin: sampleOrigin(),
        })),
      )
      expect(await signOut()).toEqual(many.sort())
    })
  })

  test.each([
    ['of an earlier version', JSON.stringify(['t-1', 'events', 0, 3]), 'further', 't-1'],
    ['of somebody else', 'by hand', 'fresh', 'trigger-1'],
    ['of somebody else, as JSON', '["by", "hand', 'fresh', 'trigger-1'],
    ['that is empty', '', 'fresh', 'trigger-1'],
  ])('a tombstone %s: whose end it is', async (_, line, relation, id) => {
    await register()
    const settled = sampleRegistration({ oidcSessionId: 'settled' })
    await fixture.redis.command('SET', fixture.keys.ended(ISSUER, 'session-1'), `${line}\nsettled`)
    expect(await end()).toMatchObject([{ groups: [{ relation, ending: { origin: { id } } }] }])
    expect(
      await registry.apply([{ kind: 'register', registration: settled, origin: sampleOrigin() }]),
    ).toEqual([{ kind: 'already-settled' }])
    expect(await ttl(fixture.keys.ended(ISSUER, 'session-1'))).toBeGreaterThan(0)
  })

  test('a sign-out of an earlier version means what was registered up to its time, as clocks allow', async () => {
    const at = (registration.registeredAtMs ?? 0) - 5_000
    const key = fixture.keys.signedOut(ISSUER, 'user-1')
    await fixture.redis.command('SET', key, JSON.stringify(['t-1', 'events', 0, 3, at]))
    expect(await register()).toMatchObject([{ endedBy: { origin: { id: 't-1' }, everywhere: true } }])
    const later = sampleRegistration({ sessionId: 'session-2', registeredAtMs: at + 5_001 })
    expect(await registry.apply([{ kind: 'register', registration: later, origin: sampleOrigin() }])).toEqual(
      [{ kind: 'registered' }],
    )
  })

  test('what an outcome alone tells of an end is completed by its trigger', async () => {
    const { issuer, sessionId, oidcSessionId } = registration
    const settled = { issuer, sessionId, oidcSessionId, registeredAtMs: 1, recordedAtMs: Date.now() }
    await registry.forget([{ ...settled, origin: sampleOrigin(), occurredAtMs: 1_700_000_060_000 }])
    await register()
    expect(await end()).toMatchObject([{ groups: [{ relation: 'again', ending: sampleEnding() }] }])
    expect(await register()).toMatchObject([{ endedBy: sampleEnding() }])
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
    // It is older than the clock tolerance. A younger session would stay in the index until its lifetime ends.
    const index = fixture.keys.user(ISSUER, 'user-1')
    await fixture.redis.command('ZADD', index, Date.now() + LIFETIME - 10_000, 'session-1')
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
