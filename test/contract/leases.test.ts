import { afterEach, beforeEach, expect, test } from 'vitest'
import { RedisBacklog } from '../../src/redis/redis-backlog.ts'
import { RedisLeases } from '../../src/redis/redis-leases.ts'
import { RedisFixture } from './redis-fixture.ts'

const issuer = 'https://login.test.example'
const name = (oidcSessionId: string, clientId = 'shop') => ({
  issuer,
  clientId,
  sessionId: 's',
  oidcSessionId,
})
let fixture: RedisFixture
let leases: RedisLeases

beforeEach(async () => {
  fixture = await RedisFixture.create()
  leases = new RedisLeases(fixture.redis, fixture.keys)
})
afterEach(() => fixture[Symbol.asyncDispose]())

test('one at a time holds a lease, until it runs out or is given back by who took it', async () => {
  expect(await leases.take([name('a'), name('b'), name('a', 'wiki')], 1, 100)).toEqual([true, true, true])
  expect(await leases.take([name('b'), name('c')], 2, 200)).toEqual([false, true])
  expect(await leases.take([name('a')], 100, 300)).toEqual([true])
  await leases.release([
    { name: name('a'), untilMs: 100 },
    { name: name('b'), untilMs: 100 },
  ])
  expect(await leases.take([name('a'), name('b')], 101, 400)).toEqual([false, true])
  expect(await leases.take([], 1, 2)).toEqual([])
  await leases.release([])
})

test('a parked delivery whose registration is leased is not claimed; one that is claimed is not leased', async () => {
  const backlog = new RedisBacklog(fixture.redis, fixture.keys)
  const cause = {
    origin: { id: 'i', topic: 't', partition: 0, offset: 0 },
    occurredAtMs: 0,
    everywhere: false,
  }
  const parked = (oidcSessionId: string) => ({
    rpKey: `${issuer}|shop`,
    issuer,
    sessionId: 's',
    oidcSessionId,
    dueMs: 1,
    state: { attempts: 0, doubtful: 0, deadlineMs: 9_000, cause },
  })
  await backlog.park([parked('a'), parked('b')])
  expect(await leases.take([name('a')], 1, 100)).toEqual([true])
  const claimed = await backlog.claim(`${issuer}|shop`, 2, 50, 10)
  expect(claimed.map(({ oidcSessionId }) => oidcSessionId)).toEqual(['b'])
  expect(await leases.take([name('b')], 3, 100)).toEqual([false])
  // Parking gives the lease back.
  await backlog.park([{ ...parked('a'), dueMs: 5 }])
  const again = await backlog.claim(`${issuer}|shop`, 6, 50, 10)
  expect(again.map(({ oidcSessionId }) => oidcSessionId)).toEqual(['a'])
})
