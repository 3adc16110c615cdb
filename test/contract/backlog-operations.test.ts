import { describe, expect, test } from 'vitest'
import type { ParkedDelivery } from '../../src/delivery/backlog.ts'
import { RedisBacklog } from '../../src/redis/redis-backlog.ts'
import { RedisBacklogOperations } from '../../src/redis/redis-backlog-operations.ts'
import { RedisBacklogView } from '../../src/redis/redis-backlog-view.ts'
import { RedisFixture } from './redis-fixture.ts'

const ISSUER = 'https://login.test.example'
const RP = `${ISSUER}|shop`
const NOW = 1_000_000

function parked(sessionId: string, trigger: string, dueMs: number): ParkedDelivery {
  const origin = { id: trigger, topic: 'session-events', partition: 0, offset: 1 }
  const cause = { origin, occurredAtMs: 1, everywhere: false }
  const state = { attempts: 1, doubtful: 0, deadlineMs: NOW * 2, lastError: 'ECONNREFUSED', cause }
  return { rpKey: RP, issuer: ISSUER, sessionId, oidcSessionId: 'o', dueMs, state }
}

async function open() {
  const fixture = await RedisFixture.create()
  const { redis, keys } = fixture
  const view = new RedisBacklogView(redis, keys)
  const members = async (sessionId?: string) => {
    const found: string[] = []
    for await (const page of view.members(RP, sessionId)) found.push(...page)
    return found
  }
  return {
    fixture,
    view,
    members,
    backlog: new RedisBacklog(redis, keys),
    operations: new RedisBacklogOperations(redis, keys),
  }
}

describe('an operator at the backlog', () => {
  test('sees one session and not those whose ids look alike', async () => {
    const { fixture, view, backlog } = await open()
    await using _ = fixture
    const ids = ['a*', 'ab', 'a', 'a?[b]\\']
    await backlog.park(ids.map((sessionId, i) => parked(sessionId, 't', NOW + i)))
    for (const id of ids) {
      expect((await view.ofSession(RP, id, NOW)).map(({ sessionId }) => sessionId)).toEqual([id])
    }
    expect((await view.first(RP, 2, NOW)).map(({ sessionId }) => sessionId)).toEqual(['a*', 'ab'])
    expect(await view.sizes(10)).toEqual([{ rpKey: RP, size: 4, oldestDueMs: NOW, isPaused: false }])
  })

  test('makes due what is not due yet, and leaves alone what a replica holds', async () => {
    const { fixture, view, backlog, operations, members } = await open()
    await using _ = fixture
    const deliveries = [
      parked('held', 't', NOW - 5),
      parked('late', 't', NOW + 50),
      parked('old', 't', NOW - 1),
    ]
    await backlog.park(deliveries)
    await backlog.claim(RP, NOW - 2, NOW + 30, 1)
    expect(await operations.makeDue(RP, await members(), NOW)).toEqual({ due: 2, held: 1 })
    expect(await view.first(RP, 10, NOW)).toMatchObject([
      { sessionId: 'old', dueMs: NOW - 1 },
      { sessionId: 'late', dueMs: NOW },
      { sessionId: 'held', dueMs: NOW + 30, leasedUntilMs: NOW + 30 },
    ])
    expect(await backlog.dueRps(NOW, 0, 10)).toEqual([RP])
    expect(await operations.makeDue(RP, ['gone\no\nx'], NOW)).toEqual({ due: 0, held: 0 })
  })

  test('takes a delivery away from the replicas, and one at a time of two for one registration', async () => {
    const { fixture, backlog, operations, members } = await open()
    await using _ = fixture
    const [first, second] = [parked('s', 't1', NOW + 50), parked('s', 't2', NOW + 60)]
    await backlog.park([first, second])
    const all = await members()
    const once = await operations.lease(RP, all, NOW, NOW + 30)
    expect(once).toMatchObject({ leased: [{ sessionId: 's', state: { attempts: 1 } }], held: 1 })
    expect(await backlog.claim(RP, NOW + 20, NOW + 90, 10)).toEqual([])
    await backlog.remove(once.leased)
    expect(await operations.lease(RP, all, NOW, NOW + 30)).toMatchObject({
      leased: [{ sessionId: 's' }],
      held: 0,
    })
    expect(await operations.lease(RP, all, NOW + 31, NOW + 60)).toMatchObject({
      leased: [{ sessionId: 's' }],
      held: 0,
    })
  })
})
