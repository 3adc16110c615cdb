import { afterEach, beforeEach, expect, test } from 'vitest'
import { RedisBacklog } from '../../src/redis/redis-backlog.ts'
import type { RedisCommand, RedisConnection } from '../../src/redis/redis-connection.ts'
import { ISSUER, sampleOrigin } from '../unit/sample-registration.ts'
import { RedisFixture } from './redis-fixture.ts'

/*
 * An RP's backlog and the index of RPs are written one after the other. Another replica may park in between. If the RP is
 * missing in the index then, that delivery waits for ever.
 */

const NOW = 1_800_000_000_000
const LEASE = NOW + 30_000
const RP = `${ISSUER}|client-1`
const parked = (oidcSessionId: string, dueMs = NOW) => ({
  ...{ rpKey: RP, issuer: ISSUER, sessionId: 's', oidcSessionId, dueMs },
  state: {
    ...{ attempts: 0, doubtful: 0, deadlineMs: NOW + 3_600_000 },
    cause: { origin: sampleOrigin(), occurredAtMs: NOW, everywhere: false },
  },
})

let fixture: RedisFixture
let other: RedisBacklog

beforeEach(async () => {
  fixture = await RedisFixture.create()
  other = new RedisBacklog(fixture.redis, fixture.keys)
})
afterEach(() => fixture[Symbol.asyncDispose]())

/** A backlog on the same Redis. `between` runs after so many of its commands, like the commands of another client. */
function interleaved(after: number, between: () => Promise<unknown>): RedisBacklog {
  const pipeline = async (commands: readonly RedisCommand[]) => {
    const replies: unknown[] = []
    for (const command of commands) {
      replies.push(...(await fixture.redis.pipeline([command])))
      if (replies.length === after) await between()
    }
    return replies
  }
  return new RedisBacklog(
    { register: () => undefined, pipeline, tolerantPipeline: pipeline } as unknown as RedisConnection,
    fixture.keys,
  )
}

/** A backlog on the same Redis; `between` runs after its first round trip and before its second one. */
function interrupted(between: () => Promise<void>): RedisBacklog {
  let trips = 0
  const trip = async <T>(go: () => Promise<T>): Promise<T> => {
    if (++trips === 2) await between()
    return go()
  }
  const { redis } = fixture
  const connection = {
    register: () => undefined,
    command: (...command: RedisCommand) => trip(() => redis.command(...command)),
    pipeline: (commands: readonly RedisCommand[]) => trip(() => redis.pipeline(commands)),
    tolerantPipeline: (commands: readonly RedisCommand[]) => trip(() => redis.tolerantPipeline(commands)),
  }
  return new RedisBacklog(connection as unknown as RedisConnection, fixture.keys)
}

test('an RP whose last delivery is removed stays in the index when another one is parked meanwhile', async () => {
  await other.park([parked('last')])
  await interrupted(async () => void (await other.park([parked('new')]))).remove([parked('last')])
  expect(await other.dueRps(NOW, 0, 10)).toEqual([RP])
})

test('an RP whose due deliveries are claimed stays due when another one is parked meanwhile', async () => {
  await other.park([parked('first')])
  const claimed = await interrupted(async () => void (await other.park([parked('new', NOW - 5)]))).claim(
    RP,
    NOW,
    LEASE,
    10,
  )
  expect(claimed).toHaveLength(1)
  expect(await other.dueRps(NOW, 0, 10)).toEqual([RP])
})

test.each([1, 2, 3])(
  'an RP that is looked at after %i commands of a parking is in the index',
  async (after) => {
    const parker = interleaved(after, () => other.claim(RP, NOW - 1, LEASE, 10))
    await parker.park([parked('new')])
    expect(await other.dueRps(NOW, 0, 10)).toEqual([RP])
  },
)

const index = () => fixture.keys.backlogs()
const zadd = (...names: readonly string[]) =>
  fixture.redis.command('ZADD', index(), ...names.flatMap((name) => [1, name]))

test('what names no RP leaves the index at the first look, however much there is: each look paged through it', async () => {
  await other.park([parked('behind')])
  for (let from = 0; from < 20_000; from += 1_000)
    await zadd(...Array.from({ length: 1_000 }, (_, i) => `garbage-${from + i}`))
  await zadd('', '|', '|client-1')
  expect(await other.dueRps(NOW, 0, 1_000)).toEqual([RP])
  expect(await fixture.redis.command('ZRANGE', index(), 0, -1)).toEqual([RP])
})

test('of RPs whose place in the index is wrong, those without a backlog leave it', async () => {
  const [late, foreign, none] = ['late', 'foreign', 'none'].map((it) => `${ISSUER}|${it}`) as [
    string,
    string,
    string,
  ]
  await other.park([parked('due'), { ...parked('later', NOW + 10), rpKey: late }])
  await fixture.redis.command('SET', fixture.keys.backlog(foreign), 'x')
  await zadd(late, foreign, none)
  await other.tidyIndex([RP, late, foreign, none], NOW)
  // Whoever mends a key may bring back what was parked there.
  expect(await other.dueRps(NOW, 0, 10)).toEqual([foreign, RP])
  expect(await other.dueRps(NOW + 10, 0, 10)).toEqual([foreign, RP, late])
})

test('an RP that is taken out of the index while another replica parks for it is in it again', async () => {
  await zadd(RP)
  await interrupted(async () => void (await other.park([parked('new')]))).tidyIndex([RP], NOW)
  expect(await other.dueRps(NOW, 0, 10)).toEqual([RP])
})
