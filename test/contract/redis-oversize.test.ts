import { afterEach, beforeEach, expect, test } from 'vitest'
import { RedisBacklog } from '../../src/redis/redis-backlog.ts'
import { RedisBacklogOperations } from '../../src/redis/redis-backlog-operations.ts'
import { RedisBacklogView } from '../../src/redis/redis-backlog-view.ts'
import type { RedisCommand } from '../../src/redis/redis-connection.ts'
import { RedisFactsReader } from '../../src/redis/redis-facts.ts'
import { RedisRecoveryRegistry } from '../../src/redis/redis-recovery-registry.ts'
import { RedisRegistry } from '../../src/redis/redis-registry.ts'
import { RedisRpSettings } from '../../src/redis/redis-rp-settings.ts'
import { RedisSessionView } from '../../src/redis/redis-session-view.ts'
import { partsOf, type RegistryStep } from '../../src/registry/registry.ts'
import { ISSUER, sampleEnding, sampleOrigin, sampleRegistration } from '../unit/sample-registration.ts'
import { RedisFixture } from './redis-fixture.ts'

/* Foreign values of many megabytes. They stay in Redis, and each affects one session, user or RP only. */

const HUGE = 40_000_000
/** Bytes that Redis may send to the relay in one test. */
const SENT_MAX = 8_000_000
const NOW = 1_800_000_000_000

let fixture: RedisFixture
beforeEach(async () => {
  fixture = await RedisFixture.create()
})
afterEach(() => fixture[Symbol.asyncDispose]())

const command = (...it: RedisCommand) => fixture.redis.command(...it)
const suspects = () => [...fixture.redis.suspects]
const registry = () =>
  new RedisRegistry({
    ...fixture,
    redis: fixture.redis,
    sessionLifetimeMs: 86_400_000,
    tombstoneMs: 3_600_000,
  })

/** Runs `redis.call` in the server; `huge` is an oversize text. */
const write = (lua: string, key: string, bytes = HUGE) =>
  command('EVAL', `local huge = string.rep('x', ${bytes}) ${lua}`, 1, key)

async function sent(): Promise<number> {
  return Number(/total_net_output_bytes:(\d+)/.exec(String(await command('INFO', 'stats')))?.[1])
}

async function withoutSendingMuch<T>(run: () => Promise<T>): Promise<T> {
  const before = await sent()
  const result = await run()
  expect((await sent()) - before).toBeLessThan(SENT_MAX)
  return result
}

const register = (sessionId: string, oidcSessionId = 'fine'): RegistryStep => ({
  kind: 'register',
  registration: sampleRegistration({ sessionId, oidcSessionId }),
  origin: sampleOrigin(),
})
const end = (sessionId: string, userId?: string): RegistryStep => ({
  kind: 'end-session',
  issuer: ISSUER,
  sessionId,
  ending: sampleEnding({ untilMs: NOW }),
  ...(userId !== undefined && { userId }),
})
const signOut: RegistryStep = {
  kind: 'end-user',
  issuer: ISSUER,
  userId: 'user-1',
  ending: sampleEnding({ everywhere: true, untilMs: NOW }),
}

async function owed(...steps: RegistryStep[]) {
  const answers: { ids: string[]; broken: string[]; refused: string[] }[] = []
  for (const answer of await registry().apply(steps)) {
    if (answer.kind !== 'owed') throw new Error(answer.kind)
    const it: (typeof answers)[0] = { ids: [], broken: [], refused: [] }
    for await (const { groups, refused } of partsOf(answer)) {
      it.ids.push(...groups.flatMap(({ registrations }) => registrations.map((r) => r.oidcSessionId)))
      it.broken.push(...groups.flatMap(({ broken }) => broken.map(({ reason }) => reason)))
      if (refused !== undefined) it.refused.push(refused)
    }
    answers.push(it)
  }
  return answers
}

/** The findings of the checks about keys. */
async function oversize(): Promise<string[]> {
  const facts = await new RedisFactsReader({
    ...{ ...fixture, redis: fixture.redis, groupId: 'g' },
    knowsIssuer: () => true,
  }).read()
  if ('unread' in facts.prefixedKeys) throw new Error(facts.prefixedKeys.unread)
  return facts.prefixedKeys.value.filter((it) => it.isOversize).map(({ key }) => key)
}

const tooLarge = /^registration: has [\d,]+ bytes, but may have at most 65,536$/

test.each([
  ['one registration', `redis.call('HSET', KEYS[1], 'huge', huge)`, 1],
  [
    'one that looks like JSON',
    `redis.call('HSET', KEYS[1], 'huge', '{"userId":"user-1","a":"' .. huge .. '"}')`,
    1,
  ],
  [
    'hundreds of them',
    `for n = 1, 400 do redis.call('HSET', KEYS[1], 'huge' .. n, string.sub(huge, 1, 200000)) end`,
    400,
  ],
  [
    'more than are read at once',
    `for n = 1, 1500 do redis.call('HSET', KEYS[1], 'huge' .. n, string.sub(huge, 1, 70000)) end`,
    1_500,
  ],
])(
  'a session of %s too large: those end as failed, the others of it and other sessions end',
  async (_, lua, count) => {
    await registry().apply([register('strange'), register('other')])
    const key = fixture.keys.session(ISSUER, 'strange')
    await write(lua, key)
    const [strange, other] = await withoutSendingMuch(() => owed(end('strange', 'user-1'), end('other')))
    expect(other).toEqual({ ids: ['fine'], broken: [], refused: [] })
    expect(strange?.ids).toEqual(['fine'])
    expect(strange?.broken).toEqual(Array.from({ length: count }, () => expect.stringMatching(tooLarge)))
    // Also read from the backlog, by an operator, and in a rebuild.
    const keyed = { issuer: ISSUER, sessionId: 'strange', oidcSessionId: count === 1 ? 'huge' : 'huge7' }
    const recovery = new RedisRecoveryRegistry({
      ...fixture,
      redis: fixture.redis,
      sessionLifetimeMs: 86_400_000,
    })
    await withoutSendingMuch(async () => {
      expect(await registry().find([keyed, { ...keyed, oidcSessionId: 'fine' }])).toMatchObject([
        { reason: expect.stringMatching(tooLarge) },
        { clientId: sampleRegistration().clientId },
      ])
      const [state] = await new RedisSessionView(fixture.redis, fixture.keys).find(ISSUER, ['strange'])
      expect([state?.registrations.length, state?.broken.length]).toEqual([1, count])
      const [groups = []] = await recovery.owed([
        end('strange') as Extract<RegistryStep, { kind: 'end-session' }>,
      ])
      expect(groups.flatMap(({ broken }) => broken)).toHaveLength(count)
      await registry().notePending([{ ...keyed, pendingOutcome: {} as never }])
    })
    await registry().settle(strange?.ids.map((oidcSessionId) => ({ ...keyed, oidcSessionId })) ?? [])
    await registry().settle([keyed])
    expect(await command('HLEN', key)).toBe(count - 1)
  },
)

test('registrations that are each as large as one may be are read in parts', async () => {
  const key = fixture.keys.session(ISSUER, 'strange')
  const json = JSON.stringify({ ...sampleRegistration({ sessionId: 'strange' }), more: '' })
  await write(
    `local json = '${json.slice(0, -2)}' .. string.sub(huge, 1, 60000) .. '"}'
    for n = 1, 300 do redis.call('HSET', KEYS[1], 'o' .. n, json) end`,
    key,
  )
  const answers = await registry().apply([end('strange')])
  const [answer] = answers
  if (answer?.kind !== 'owed') throw new Error('not owed')
  const ids: string[] = []
  for await (const { groups } of partsOf(answer)) {
    const found = groups.flatMap(({ registrations }) => registrations.map((it) => it.oidcSessionId))
    expect(found.length).toBeLessThanOrEqual(64)
    ids.push(...found)
  }
  expect(new Set(ids).size).toBe(300)
})

test('a name of a registration too large is cut, and the others of its session end', async () => {
  await registry().apply([register('strange')])
  const key = fixture.keys.session(ISSUER, 'strange')
  await write(`redis.call('HSET', KEYS[1], huge, '{}')`, key)
  const [strange] = await withoutSendingMuch(() => owed(end('strange')))
  expect(strange?.ids).toEqual(['fine'])
  expect(strange?.broken).toEqual([expect.stringMatching(/^oidcSessionId: .*1,024 characters/)])
  await withoutSendingMuch(async () => {
    const names: string[] = []
    const recovery = new RedisRecoveryRegistry({ ...fixture, redis: fixture.redis, sessionLifetimeMs: 1_000 })
    await recovery.all(async (keys) => {
      names.push(...keys.filter((it) => it.sessionId === 'strange').map((it) => it.oidcSessionId))
    }, new AbortController().signal)
    expect(names).toEqual(['fine'])
  })
  expect(suspects()).toEqual([key])
  expect(await oversize()).toEqual([key])
})

test.each([
  ['of one line', `redis.call('SET', KEYS[1], huge)`],
  ['that looks like a mark', `redis.call('SET', KEYS[1], '["' .. huge .. '","t",0,1]')`],
  ['of many lines', `redis.call('SET', KEYS[1], (string.gsub(huge, '....', '\\nxxx')))`],
])(
  'a tombstone too large, %s: the records of its session are refused by name, and the others end',
  async (_, lua) => {
    await registry().apply([register('strange'), register('other')])
    const key = fixture.keys.ended(ISSUER, 'strange')
    await write(lua, key)
    const name = { issuer: ISSUER, sessionId: 'strange', oidcSessionId: 'fine' }
    await withoutSendingMuch(async () => {
      const [strange, other] = await owed(end('strange'), end('other'))
      expect(other?.ids).toEqual(['fine'])
      expect(strange?.refused).toEqual([expect.stringMatching(/^the key .* holds 40,\d+,\d+ bytes/)])
      expect(await registry().apply([register('strange', 'another'), register('third')])).toEqual([
        { kind: 'refused', reason: strange?.refused[0] },
        { kind: 'registered' },
      ])
      expect(await registry().areSettled([name, { ...name, sessionId: 'other' }])).toEqual([false, false])
      const [state] = await new RedisSessionView(fixture.redis, fixture.keys).find(ISSUER, ['strange'])
      expect(state?.registrations).toHaveLength(1)
      expect(state?.ended).toMatchObject({ isCut: true })
    })
    expect(suspects()).toEqual([key])
    expect(await oversize()).toEqual([key])
    await command('DEL', key)
    expect(await oversize()).toEqual([])
    expect(suspects()).toEqual([])
  },
)

test('an entry of a user’s index too large is left out, and the sessions of the user end', async () => {
  await registry().apply([register('session-1')])
  const index = fixture.keys.user(ISSUER, 'user-1')
  await write(`redis.call('ZADD', KEYS[1], ${NOW * 2}, huge)`, index)
  await withoutSendingMuch(async () => {
    expect(await owed(signOut)).toEqual([{ ids: ['fine'], broken: [], refused: [] }])
    const pages: string[] = []
    const view = new RedisSessionView(fixture.redis, fixture.keys)
    for await (const ids of view.sessionsOf(ISSUER, 'user-1')) pages.push(...ids)
    expect(pages).toEqual(['session-1'])
  })
  expect(suspects()).toEqual([index])
  expect(await oversize()).toEqual([index])
})

test('a mark of a sign-out too large holds up no registration, and the next sign-out takes its place', async () => {
  const key = fixture.keys.signedOut(ISSUER, 'user-1')
  await write(`redis.call('SET', KEYS[1], '["' .. huge .. '"]')`, key)
  await withoutSendingMuch(async () => {
    expect(await registry().apply([register('session-1')])).toEqual([{ kind: 'registered' }])
    expect(
      await new RedisSessionView(fixture.redis, fixture.keys).signedOut(ISSUER, 'user-1'),
    ).toBeUndefined()
    expect(await oversize()).toEqual([key])
    expect(await owed(signOut)).toMatchObject([{ ids: ['fine'] }])
    expect(await registry().apply([register('session-2')])).toMatchObject([{ endedBy: { everywhere: true } }])
  })
  expect(await oversize()).toEqual([])
})

test('a setting of an RP too large is named and left out, and its other settings count', async () => {
  const key = fixture.keys.client(ISSUER, 'strange')
  await write(
    `redis.call('HSET', KEYS[1], 'backchannelLogoutUri', huge, 'typ', huge, 'claims', 'sid', 'x', huge)`,
    key,
  )
  const problems: string[] = []
  const settings = new RedisRpSettings({
    redis: fixture.redis,
    keys: fixture.keys,
    onInvalid: (_, problem) => problems.push(problem),
  })
  const rps = ['strange', 'none'].map((clientId) => ({ issuer: ISSUER, clientId }))
  expect(await withoutSendingMuch(() => settings.load(rps))).toEqual([{ claims: 'sid' }, {}])
  expect(problems).toEqual([
    'backchannelLogoutUri: has 40,000,000 bytes, but may have at most 8,192',
    'typ: has 40,000,000 bytes, but may have at most 8,192',
  ])
})

test('what is too large in the backlog of an RP is never due, and its deliveries are claimed', async () => {
  const rpKey = `${ISSUER}|strange`
  const backlog = new RedisBacklog(fixture.redis, fixture.keys)
  const cause = { origin: sampleOrigin(), occurredAtMs: NOW, everywhere: false }
  const state = { attempts: 1, doubtful: 0, deadlineMs: NOW + 60_000, cause }
  const parked = { rpKey, issuer: ISSUER, sessionId: 's', oidcSessionId: 'o', dueMs: NOW, state }
  await backlog.park([parked])
  const [member] = (await command('ZRANGE', fixture.keys.backlog(rpKey), 0, 0)) as [string]
  await command(
    'EVAL',
    `redis.call('HSET', KEYS[1], ARGV[1], string.rep('x', ${HUGE}))`,
    1,
    fixture.keys.backlogState(rpKey),
    member,
  )
  await write(`redis.call('ZADD', KEYS[1], 1, huge)`, fixture.keys.backlog(rpKey))
  await withoutSendingMuch(async () => {
    const view = new RedisBacklogView(fixture.redis, fixture.keys)
    expect(await view.first(rpKey, 10, NOW)).toMatchObject([{ oidcSessionId: 'o' }])
    expect(await view.ofSession(rpKey, 's', NOW)).toMatchObject([{ oidcSessionId: 'o' }])
    expect(await view.sizes(10)).toMatchObject([{ rpKey, size: 2, oldestDueMs: 1 }])
    const claimed = await backlog.claim(rpKey, NOW, NOW + 30_000, 10)
    expect(claimed).toMatchObject([{ oidcSessionId: 'o', state: { attempts: 0 } }])
    const operations = new RedisBacklogOperations(fixture.redis, fixture.keys)
    expect((await operations.lease(rpKey, [member], NOW + 60_000, NOW + 90_000)).leased).toHaveLength(1)
    await backlog.remove(claimed)
    expect(await backlog.claim(rpKey, NOW * 2, NOW * 2, 10)).toEqual([])
    expect(await backlog.dueRps(NOW * 2, 0, 10)).toEqual([])
  })
  expect(suspects()).toContain(fixture.keys.backlog(rpKey))
})

test('what is too large to be an RP hides none that has a backlog, and leaves the index', async () => {
  const rpKey = `${ISSUER}|fine`
  const backlog = new RedisBacklog(fixture.redis, fixture.keys)
  const cause = { origin: sampleOrigin(), occurredAtMs: NOW, everywhere: false }
  const state = { attempts: 0, doubtful: 0, deadlineMs: NOW + 60_000, cause }
  await backlog.park([{ rpKey, issuer: ISSUER, sessionId: 's', oidcSessionId: 'o', dueMs: NOW, state }])
  await write(`redis.call('ZADD', KEYS[1], 1, huge)`, fixture.keys.backlogs())
  await withoutSendingMuch(async () => {
    expect(await backlog.sizes(10)).toMatchObject([{ rpKey, size: 1 }])
    expect(await new RedisBacklogView(fixture.redis, fixture.keys).sizes(10)).toMatchObject([
      { rpKey, size: 1 },
    ])
    expect(await backlog.dueRps(NOW, 0, 10)).toEqual([rpKey])
  })
  expect(await command('ZCARD', fixture.keys.backlogs())).toBe(1)
})

const written = (more: string) =>
  JSON.stringify({ ...sampleRegistration({ sessionId: 'session-1' }), userAgent: more })

test.each([
  ['70,000 bytes', 'x'.repeat(70_000)],
  ['30,000 characters of three bytes', '€'.repeat(30_000)],
])('a registration of %s is too large, also where it is alone', async (_, more) => {
  await command('HSET', fixture.keys.session(ISSUER, 'session-1'), 'fine', written(''), 'huge', written(more))
  expect(await owed(end('session-1'))).toEqual([
    { ids: ['fine'], broken: [expect.stringMatching(tooLarge)], refused: [] },
  ])
})

test('an outcome is not noted at a registration that would be too large with it', async () => {
  const key = fixture.keys.session(ISSUER, 'session-1')
  const json = written('x'.repeat(62_000))
  await command('HSET', key, 'large', json, 'small', written(''))
  const lastError = 'x'.repeat(4_000)
  const outcome = { kind: 'failed', reason: 'exhausted', attempts: 1, lastError } as const
  const pendingOutcome = { outcome, origin: sampleOrigin(), occurredAtMs: NOW }
  const name = { issuer: ISSUER, sessionId: 'session-1', pendingOutcome }
  await registry().notePending(['large', 'small'].map((oidcSessionId) => ({ ...name, oidcSessionId })))
  expect(await command('HGET', key, 'large')).toBe(json)
  expect(
    await registry().find(['large', 'small'].map((oidcSessionId) => ({ ...name, oidcSessionId }))),
  ).toEqual([
    expect.not.objectContaining({ reason: expect.anything() }),
    expect.objectContaining({ pendingOutcome }),
  ])
})

test('many sessions that hold much together end one after the other', async () => {
  const ids = Array.from({ length: 12 }, (_, i) => `session-${i}`)
  for (const id of ids)
    await command(
      'HSET',
      fixture.keys.session(ISSUER, id),
      ...Array.from({ length: 15 }, (_, i) => [`o${i}`, written('x'.repeat(60_000))]).flat(),
    )
  const answers = await registry().apply(ids.map((id) => end(id)))
  const isAtOnce = answers.map((it) => it.kind === 'owed' && it.groups.length > 0)
  expect(isAtOnce.filter(Boolean)).toHaveLength(3)
  for (const answer of answers) {
    let count = 0
    if (answer.kind === 'owed')
      for await (const { groups } of partsOf(answer))
        for (const { registrations } of groups) count += registrations.length
    expect(count).toBe(15)
  }
})

test('names that take much together are read in parts, each as one that may be known', async () => {
  const key = fixture.keys.session(ISSUER, 'session-1')
  await write(`for n = 1, 1500 do redis.call('HSET', KEYS[1], n .. string.sub(huge, 1, 4000), '{}') end`, key)
  await registry().apply([register('session-1')])
  const [answer] = await registry().apply([end('session-1')])
  const relations = new Set<string>()
  let broken = 0
  if (answer?.kind === 'owed')
    for await (const { groups } of partsOf(answer))
      for (const it of groups) {
        relations.add(it.relation)
        broken += it.broken.length
      }
  expect([broken, [...relations]]).toEqual([1_500, ['again']])
  expect(suspects()).toEqual([key])
})

test('a mark larger than any of the relay’s is none', async () => {
  await registry().apply([register('session-1')])
  const key = fixture.keys.ended(ISSUER, 'session-1')
  await write(`redis.call('SET', KEYS[1], '["' .. huge .. '","t",0,1,null,null,null,1]')`, key, 20_000_000)
  expect(await withoutSendingMuch(() => owed(end('session-1')))).toMatchObject([{ ids: ['fine'] }])
  expect(await registry().apply([register('session-1', 'late')])).toMatchObject([
    { kind: 'registered', endedBy: { origin: sampleOrigin() } },
  ])
})

test('a parked delivery whose session holds something else is broken, and those beside it are found', async () => {
  await registry().apply([register('session-1')])
  await command('SET', fixture.keys.session(ISSUER, 'strange'), 'x')
  const names = ['strange', 'session-1'].map((sessionId) => ({
    issuer: ISSUER,
    sessionId,
    oidcSessionId: 'fine',
  }))
  expect(await registry().find(names)).toMatchObject([
    { reason: expect.stringContaining('another application') },
    { clientId: sampleRegistration().clientId },
  ])
})
