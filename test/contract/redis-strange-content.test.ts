import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ParkedDelivery } from '../../src/delivery/backlog.ts'
import type { Registration } from '../../src/events/registration.ts'
import { RedisBacklog } from '../../src/redis/redis-backlog.ts'
import type { RedisCommand } from '../../src/redis/redis-connection.ts'
import { RedisRegistry } from '../../src/redis/redis-registry.ts'
import { RedisRpSettings } from '../../src/redis/redis-rp-settings.ts'
import { SESSION_REGISTRATIONS_MAX } from '../../src/redis/register-script.ts'
import { partsOf, type RegistryStep } from '../../src/registry/registry.ts'
import { eventually } from '../support/eventually.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../unit/sample-registration.ts'
import { RedisFixture } from './redis-fixture.ts'

/* Foreign data in a key of the relay affects one session, one user or one RP only. */

const NOW = 1_800_000_000_000
const LEASE = NOW + 30_000

let fixture: RedisFixture
beforeEach(async () => {
  fixture = await RedisFixture.create()
})
afterEach(() => fixture[Symbol.asyncDispose]())

const command = (...it: RedisCommand) => fixture.redis.command(...it)
const suspects = () => [...fixture.redis.suspects]

/** One value of each type that the relay does not use for that key. */
const foreign: readonly (readonly [type: string, write: (key: string) => RedisCommand])[] = [
  ['string', (key) => ['SET', key, 'x']],
  ['list', (key) => ['RPUSH', key, 'x']],
  ['set', (key) => ['SADD', key, 'x']],
  ['stream', (key) => ['XADD', key, '*', 'a', 'b']],
]

describe('the backlog of one RP', () => {
  const [STRANGE, FINE] = [`${ISSUER}|strange`, `${ISSUER}|fine`]

  function parked(rpKey: string, oidcSessionId = 'oidc-1'): ParkedDelivery {
    const cause = { origin: sampleOrigin(), occurredAtMs: NOW, everywhere: false }
    const state = { attempts: 1, doubtful: 0, deadlineMs: NOW + 60_000, cause }
    return { rpKey, issuer: ISSUER, sessionId: 'session-1', oidcSessionId, dueMs: NOW, state }
  }

  describe.each(['backlog', 'backlogState'] as const)('at the place of its %s', (place) => {
    test.each(foreign)('a %s keeps nothing of another RP out', async (_, write) => {
      await command(...write(fixture.keys[place](STRANGE)))
      const backlog = new RedisBacklog(fixture.redis, fixture.keys)
      const both = [parked(STRANGE), parked(FINE)]
      expect(await backlog.park(both)).toEqual(new Set([STRANGE]))
      expect(await backlog.hold(both, NOW, LEASE)).toEqual(['nobody', 'backlog'])
      expect(await backlog.makeDue(both, NOW)).toEqual(new Set([STRANGE]))
      expect(await backlog.claim(STRANGE, NOW, LEASE, 10)).toEqual([])
      expect(await backlog.claim(FINE, NOW, LEASE, 10)).toEqual([{ ...parked(FINE), dueMs: LEASE }])
      expect(await backlog.earliestDeadlines([STRANGE, FINE])).toEqual(
        place === 'backlog' ? [undefined, NOW + 60_000] : expect.arrayContaining([NOW + 60_000]),
      )
      expect((await backlog.sizes(10)).find(({ rpKey }) => rpKey === FINE)).toMatchObject({ size: 1 })
      await backlog.remove(both)
      expect(await backlog.claim(FINE, LEASE, LEASE, 10)).toEqual([])
      expect(suspects()).toContain(fixture.keys[place](STRANGE))
    })
  })

  test.each([
    ['without line breaks', 'x'],
    ['that is empty', ''],
    ['of two lines', 'session-1\noidc-1'],
    ['without a trigger', 'session-1\noidc-1\n'],
    ['whose times are none', 'session-1\noidc-1\n! ! 0 t 0 0 - '],
    ['of other lines', 'a\nb\nc\nd'],
  ])('an entry %s is put aside and never due, and the others are claimed', async (_, member) => {
    const backlog = new RedisBacklog(fixture.redis, fixture.keys)
    await backlog.park([parked(STRANGE, 'a'), parked(STRANGE, 'b')])
    await command('ZADD', fixture.keys.backlog(STRANGE), 1, member)
    const claimed = await backlog.claim(STRANGE, NOW, LEASE, 10)
    expect(claimed.map(({ oidcSessionId }) => oidcSessionId)).toEqual(['a', 'b'])
    expect(suspects()).toContain(fixture.keys.backlog(STRANGE))
    await backlog.remove(claimed)
    expect(await backlog.claim(STRANGE, Number.MAX_SAFE_INTEGER, LEASE, 10)).toEqual([])
    expect(await command('ZSCORE', fixture.keys.backlog(STRANGE), member)).toBe('inf')
    expect(await backlog.dueRps(Number.MAX_SAFE_INTEGER, 0, 10)).toEqual([])
  })

  test('state that cannot be read counts as none', async () => {
    const backlog = new RedisBacklog(fixture.redis, fixture.keys)
    await backlog.park([parked(FINE)])
    const [member] = (await command('ZRANGE', fixture.keys.backlog(FINE), 0, 0)) as [string]
    await command('HSET', fixture.keys.backlogState(FINE), member, '{', 'lease:session-1\noidc-1', 'soon')
    expect(await backlog.claim(FINE, NOW, LEASE, 10)).toMatchObject([{ state: { attempts: 0, doubtful: 0 } }])
  })
})

test.each(foreign)(
  'a %s at the place of the settings of one RP leaves those of the others',
  async (_, write) => {
    await command(...write(fixture.keys.client(ISSUER, 'strange')))
    await command('HSET', fixture.keys.client(ISSUER, 'fine'), 'claims', 'sid')
    const settings = new RedisRpSettings({ ...fixture, redis: fixture.redis, onInvalid: () => undefined })
    const rps = ['strange', 'fine'].map((clientId) => ({ issuer: ISSUER, clientId }))
    expect(await settings.load(rps)).toEqual([{}, { claims: 'sid' }])
    expect(suspects()).toEqual([fixture.keys.client(ISSUER, 'strange')])
  },
)

/** One date in the forms in which a provider may write it to Redis. */
const writings: readonly ((date: Date) => unknown)[] = [
  (date) => date.getTime(),
  (date) => String(date.getTime()),
  (date) => date.toISOString(),
  (date) => date.toISOString().replace(/\.\d+Z$/, 'Z'),
  (date) => date.toISOString().replace('Z', '+00:00'),
  (date) => new Date(date.getTime() + 9 * 3_600_000).toISOString().replace('Z', '+09:00'),
  (date) => new Date(date.getTime() - 12_600_000).toISOString().replace('Z', '-03:30'),
]

describe('sessions and users', () => {
  const registry = () =>
    new RedisRegistry({
      ...fixture,
      redis: fixture.redis,
      sessionLifetimeMs: 86_400_000,
      tombstoneMs: 3_600_000,
    })

  test('an RP whose settings hold any number of other fields: nothing but the settings is read', async () => {
    const key = fixture.keys.client(ISSUER, 'stuffed')
    const others = Array.from({ length: 10_000 }, (_, i) => [`field ${i}`, 'x'.repeat(100)]).flat()
    await command('HSET', key, 'claims', 'sid', ...others)
    const settings = new RedisRpSettings({
      redis: fixture.redis,
      keys: fixture.keys,
      onInvalid: () => undefined,
    })
    const sent = async () =>
      Number(/total_net_output_bytes:(\d+)/.exec(String(await command('INFO', 'stats')))?.[1])
    // Others use the same server meanwhile: once it must be as little as that.
    await eventually(async () => {
      const before = await sent()
      expect(await settings.load([{ issuer: ISSUER, clientId: 'stuffed' }])).toEqual([{ claims: 'sid' }])
      expect((await sent()) - before).toBeLessThan(100_000)
    })
  })
  const register = (overrides: Partial<Registration>): RegistryStep => ({
    kind: 'register',
    registration: sampleRegistration(overrides),
    origin: sampleOrigin(),
  })
  const end = (sessionId: string, userId?: string): RegistryStep => ({
    kind: 'end-session',
    issuer: ISSUER,
    sessionId,
    ending: sampleEnding({ untilMs: NOW }),
    ...(userId !== undefined && { userId }),
  })
  const signOut = (userId: string): RegistryStep => ({
    kind: 'end-user',
    issuer: ISSUER,
    userId,
    ending: sampleEnding({ everywhere: true, untilMs: NOW }),
  })

  /** What each step is owed, or why it is refused. */
  async function owed(
    ...steps: RegistryStep[]
  ): Promise<{ ids: string[]; parts: number; refused: string[] }[]> {
    const answers: { ids: string[]; parts: number; refused: string[] }[] = []
    for (const answer of await registry().apply(steps)) {
      if (answer.kind !== 'owed') throw new Error(answer.kind)
      const it: (typeof answers)[0] = { ids: [], parts: 0, refused: [] }
      for await (const part of partsOf(answer)) {
        it.parts++
        it.ids.push(...part.groups.flatMap(({ registrations }) => registrations.map((r) => r.oidcSessionId)))
        if (part.refused !== undefined) it.refused.push(part.refused)
      }
      answers.push(it)
    }
    return answers
  }

  test.each([
    ['session', 'list', 'hash'],
    ['ended', 'list', 'string'],
  ] as const)(
    'the key of %s with a %s in it is refused by name, and the others end',
    async (kind, type, wanted) => {
      await registry().apply([register({ sessionId: 'fine' })])
      const key = fixture.keys[kind](ISSUER, 'strange')
      await command('RPUSH', key, 'x')
      const [strange, fine] = await owed(end('strange'), end('fine'))
      expect(fine?.ids).toEqual(['oidc-1'])
      expect(strange?.refused).toEqual([
        expect.stringContaining(`${key} in Redis holds a ${type} instead of a ${wanted}`),
      ])
      expect(await registry().apply([register({ sessionId: 'strange' })])).toEqual([
        { kind: 'refused', reason: strange?.refused[0] },
      ])
      expect(suspects()).toEqual([key])
    },
  )

  test('a sign-out whose index cannot be read is refused by name, and what is registered later ends by it', async () => {
    const index = fixture.keys.user(ISSUER, 'user-1')
    await command('RPUSH', index, 'x')
    const [answer] = await owed(signOut('user-1'))
    expect(answer?.refused).toEqual([expect.stringContaining(index)])
    expect(await registry().apply([register({})])).toMatchObject([
      { kind: 'registered', endedBy: { everywhere: true } },
    ])
    expect(suspects()).toEqual([index])
  })

  test('a sign-out whose mark cannot be written ends the sessions', async () => {
    await registry().apply([register({})])
    await command('RPUSH', fixture.keys.signedOut(ISSUER, 'user-1'), 'x')
    expect(await owed(signOut('user-1'))).toMatchObject([{ ids: ['oidc-1'], refused: [] }])
    expect(suspects()).toEqual([fixture.keys.signedOut(ISSUER, 'user-1')])
  })

  test('one mark whose numbers can be no time stops nobody, and a later sign-out takes its place', async () => {
    const mark = '["x","t",0,5,9e15,1.7e12,2e17,0]'
    await registry().apply([register({}), register({ oidcSessionId: 'oidc-2', sessionId: 'session-2' })])
    await command('SET', fixture.keys.signedOut(ISSUER, 'user-1'), mark)
    await command('SET', fixture.keys.ended(ISSUER, 'session-1'), mark)
    const [first, second] = await owed(end('session-1'), end('session-2'))
    expect([first?.ids, second?.ids]).toEqual([['oidc-1'], ['oidc-2']])
    await owed(signOut('user-1'))
    expect(await registry().apply([register({ sessionId: 'session-3' })])).toMatchObject([
      { kind: 'registered', endedBy: { everywhere: true } },
    ])
    const cause = { origin: sampleOrigin(), occurredAtMs: 9e15, untilMs: 1e300, everywhere: false }
    const state = { attempts: 0, doubtful: 0, deadlineMs: 2e17, cause }
    const name = { rpKey: `${ISSUER}|rp`, issuer: ISSUER, sessionId: 'session-3', oidcSessionId: 'oidc-1' }
    const backlog = new RedisBacklog(fixture.redis, fixture.keys)
    await backlog.park([{ ...name, dueMs: NOW, state }])
    expect(await backlog.claim(name.rpKey, NOW, LEASE, 1)).toMatchObject([{ oidcSessionId: 'oidc-1' }])
  })

  test.each(['["x"]', '["x","t",0,1,null,null,null,1]', '["x","t",0,1,"a"]', '[]', '[[[', '{}', '\u0000'])(
    "a mark %j that is not the relay's holds up neither a registration nor an end",
    async (mark) => {
      await command('SET', fixture.keys.signedOut(ISSUER, 'user-1'), mark)
      await command('SET', fixture.keys.ended(ISSUER, 'session-1'), mark)
      await registry().apply([register({}), register({ oidcSessionId: 'oidc-2', sessionId: 'session-2' })])
      const [first, second] = await owed(end('session-1'), end('session-2'))
      expect([first?.ids, second?.ids]).toEqual([['oidc-1'], ['oidc-2']])
      expect(await owed(signOut('user-1'))).toMatchObject([{ refused: [] }])
    },
  )

  describe('a trigger that names a user', () => {
    const written = (userId: unknown) =>
      JSON.stringify({ clientId: 'c', backchannelLogoutUri: 'https://rp.example/', userId })

    test('does not end the session of another, who is told nothing and goes on', async () => {
      await registry().apply([register({ userId: 'b' })])
      expect(await owed(end('session-1', 'a'))).toMatchObject([
        { ids: [], refused: [expect.stringMatching(/^userId: /)] },
      ])
      expect(await command('EXISTS', fixture.keys.ended(ISSUER, 'session-1'))).toBe(0)
      expect(await registry().apply([register({ userId: 'b', oidcSessionId: 'oidc-2' })])).toEqual([
        { kind: 'registered' },
      ])
      const [answer] = await owed(end('session-1', 'b'))
      expect(answer?.ids.sort()).toEqual(['oidc-1', 'oidc-2'])
    })

    test.each(['a', 'a "quoted"\\ ü|{}', '1'])('ends the session of that user: %j', async (userId) => {
      await registry().apply([register({ userId })])
      expect(await owed(end('session-1', userId))).toMatchObject([{ ids: ['oidc-1'], refused: [] }])
    })

    test('ends one that a provider wrote in its own way, and one that names nobody', async () => {
      const own = JSON.stringify({ ...sampleRegistration({ userId: 'ü' }), userId: undefined }).slice(0, -1)
      await command('HSET', fixture.keys.session(ISSUER, 'own'), 'oidc-1', `${own} , "userId" : "\\u00fc" }`)
      await command('HSET', fixture.keys.session(ISSUER, 'nobody'), 'oidc-1', written(undefined))
      await command('HSET', fixture.keys.session(ISSUER, 'text'), 'oidc-1', 'text')
      const answers = await owed(end('own', 'ü'), end('nobody', 'a'), end('text', 'a'))
      expect(answers.map(({ refused }) => refused)).toEqual([[], [], []])
      expect(answers[0]?.ids).toEqual(['oidc-1'])
    })

    test('does not end by one text within another', async () => {
      await command('HSET', fixture.keys.session(ISSUER, 's'), 'o', written('ab'))
      const answers = await owed(end('s', 'a'), end('s', 'b'))
      expect(answers.map(({ ids, refused }) => [ids.length, refused.length])).toEqual([
        [0, 1],
        [0, 1],
      ])
    })
  })

  test('a later login stays when the one before it is settled, however its provider writes dates', async () => {
    const registry = new RedisRegistry({ ...fixture, sessionLifetimeMs: 60_000, tombstoneMs: 60_000 })
    await fc.assert(
      fc.asyncProperty(
        fc.date({
          min: new Date('2001-01-02T00:00:00Z'),
          max: new Date('2099-12-31T00:00:00Z'),
          noInvalidDate: true,
        }),
        fc.constantFrom(...writings),
        fc.boolean(),
        async (date, write, isLater) => {
          const { registeredAtMs: _, ...registration } = sampleRegistration()
          const written = write(date)
          const ms = Date.parse(String(written)) || Number(written)
          const { issuer, sessionId, oidcSessionId } = registration
          const key = fixture.keys.session(issuer, sessionId)
          await command('DEL', key, fixture.keys.ended(issuer, sessionId))
          await command(
            'HSET',
            key,
            oidcSessionId,
            JSON.stringify({ ...registration, registeredAt: written }),
          )
          await registry.settle([{ issuer, sessionId, oidcSessionId, registeredAtMs: isLater ? ms - 1 : ms }])
          expect(await command('HEXISTS', key, oidcSessionId)).toBe(isLater ? 1 : 0)
        },
      ),
      // A time whose seconds times a thousand are slightly less than its milliseconds.
      {
        numRuns: 300,
        examples: [[new Date('2008-07-17T13:53:07.972Z'), (date) => date.toISOString(), true]],
      },
    )
  })

  test("a sign-out leaves alone what its index names and what is another user's", async () => {
    await registry().apply([register({ userId: 'a' }), register({ userId: 'b', sessionId: 'of-b' })])
    await command('ZADD', fixture.keys.user(ISSUER, 'a'), NOW * 2, 'of-b')
    expect(await owed(signOut('a'))).toMatchObject([{ ids: ['oidc-1'], refused: [] }])
    expect(await command('EXISTS', fixture.keys.ended(ISSUER, 'of-b'))).toBe(0)
  })

  /** Writes directly to Redis, as a provider may. */
  async function write(sessionId: string, count: number): Promise<void> {
    const registration = JSON.stringify({
      ...sampleRegistration({ sessionId }),
      registeredAt: 1_700_000_000_000,
    })
    for (let from = 0; from < count; from += 5_000) {
      const fields = Array.from({ length: Math.min(5_000, count - from) }, (_, i) => [
        `o${from + i}`,
        registration,
      ])
      await command('HSET', fixture.keys.session(ISSUER, sessionId), ...fields.flat())
    }
  }

  test('a session of more registrations than one may have is read in parts and ends whole, and none is added', async () => {
    const count = SESSION_REGISTRATIONS_MAX + 1_500
    await write('session-1', count)
    const [answer] = await registry().apply([register({ oidcSessionId: 'one more' })])
    expect(answer).toMatchObject({ kind: 'refused', reason: expect.stringContaining('20,000 registrations') })
    expect(await registry().apply([register({ oidcSessionId: 'o1' })])).toMatchObject([
      { kind: 'registered' },
    ])
    const [ended] = await owed(end('session-1', 'user-1'))
    expect(ended?.parts).toBeGreaterThan(10)
    expect(new Set(ended?.ids).size).toBe(count)
    expect(suspects()).toEqual([fixture.keys.session(ISSUER, 'session-1')])
  })

  test('thousands of registrations of one session are settled and forgotten at once', async () => {
    await write('session-1', 9_000)
    const keys = Array.from({ length: 9_000 }, (_, i) => ({
      issuer: ISSUER,
      sessionId: 'session-1',
      oidcSessionId: `o${i}`,
      userId: 'user-1',
    }))
    await owed(end('session-1'))
    await registry().settle(keys.slice(0, 8_999))
    expect(await owed(end('session-1'))).toMatchObject([{ ids: ['o8999'] }])
    await registry().forget(keys.map((key) => ({ ...key, registeredAtMs: NOW, recordedAtMs: NOW })))
    expect(await owed(end('session-1'))).toMatchObject([{ ids: [] }])
  })

  test('a user of thousands of sessions signs out in parts, and what has expired leaves the index', async () => {
    const index = fixture.keys.user(ISSUER, 'user-1')
    const stale = Array.from({ length: 3_000 }, (_, i) => [Date.now() - 60_000 - i, `stale-${i}`])
    await command('ZADD', index, ...stale.flat())
    const ids = Array.from({ length: 700 }, (_, i) => `s${i}`)
    await registry().apply(ids.map((id) => register({ sessionId: id, oidcSessionId: id })))
    const [answer] = await owed(signOut('user-1'))
    expect(answer?.parts).toBeGreaterThan(5)
    expect(answer?.ids.sort()).toEqual(ids.sort())
    expect(await command('ZCARD', index)).toBe(ids.length)
  })

  test('an index whose ends are no times is read all the same', async () => {
    await registry().apply([register({})])
    await command(
      'ZADD',
      fixture.keys.user(ISSUER, 'user-1'),
      'LT',
      Math.floor(Date.now() / 1_000) + 60,
      'session-1',
    )
    expect(await owed(signOut('user-1'))).toMatchObject([{ ids: ['oidc-1'] }])
  })
})
