import { describe, expect, test } from 'vitest'
import { RedisEpochStore } from '../../src/redis/redis-epoch-store.ts'
import type { EpochStore } from '../../src/registry/epoch-store.ts'
import { startRedisServer } from '../stack/redis-server.ts'
import { MemoryEpochStore } from '../support/memory-epoch-store.ts'
import { RedisFixture } from './redis-fixture.ts'

interface Subject extends AsyncDisposable {
  readonly store: EpochStore
}

const subjects: Record<string, () => Promise<Subject>> = {
  memory: async () => ({
    store: new MemoryEpochStore(() => Date.now()),
    [Symbol.asyncDispose]: async () => undefined,
  }),
  Redis: async () => {
    const fixture = await RedisFixture.create()
    return {
      store: new RedisEpochStore(fixture.redis, fixture.keys),
      [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
    }
  },
}

describe.each(Object.entries(subjects))('the epoch store in %s', (_, open) => {
  test('a lock has one owner, who keeps it by renewing it, and is free when it is given back', async () => {
    await using subject = await open()
    const { store } = subject
    expect(await store.lock('a', 60_000)).toBe(true)
    expect(await store.lock('a', 60_000)).toBe(true)
    expect(await store.lock('b', 60_000)).toBe(false)
    expect(await store.renew('b', 60_000)).toBe(false)
    expect(await store.renew('a', 60_000)).toBe(true)
    await store.unlock('b')
    expect(await store.lock('b', 60_000)).toBe(false)
    await store.unlock('a')
    expect(await store.renew('a', 60_000)).toBe(false)
    expect(await store.lock('b', 60_000)).toBe(true)
  })

  test('only the owner of the lock sets an epoch, each time another one', async () => {
    await using subject = await open()
    const { store } = subject
    expect(await store.read()).toBeUndefined()
    expect(await store.confirm('a', 1, store.runId)).toBeUndefined()
    expect(await store.read()).toBeUndefined()
    await store.lock('a', 60_000)
    const first = await store.confirm('a', 1_000, store.runId)
    expect(first).toMatchObject({ runId: store.runId })
    expect(await store.read()).toEqual({
      id: first?.id,
      isOfThisRun: true,
      isUnknownRun: false,
      heartbeatMs: 1_000,
      provedAtMs: 1_000,
    })
    expect((await store.confirm('a', 2_000, store.runId))?.id).not.toBe(first?.id)
  })

  test('a heartbeat alone makes no epoch, and does not change when that was set', async () => {
    await using subject = await open()
    const { store } = subject
    await store.heartbeat(1_000)
    expect(await store.read()).toBeUndefined()
    await store.lock('a', 60_000)
    await store.confirm('a', 1_500, store.runId)
    await store.heartbeat(2_000)
    expect(await store.read()).toMatchObject({ heartbeatMs: 2_000, provedAtMs: 1_500 })
  })

  test('positions are read as they were written, the last of a partition, until they are cleared', async () => {
    await using subject = await open()
    const { store } = subject
    const position = { topic: 'a/b.c', partition: 3, offset: 7, start: 2, topicId: 'id' }
    await store.writePositions([position, { ...position, partition: 4, topicId: '' }], store.runId)
    await store.writePositions([{ ...position, offset: 5 }], store.runId)
    await store.writePositions([], store.runId)
    expect((await store.positions()).sort((a, b) => a.partition - b.partition)).toEqual([
      { ...position, offset: 5 },
      { ...position, partition: 4, topicId: '' },
    ])
    await store.clearPositions()
    expect(await store.positions()).toEqual([])
  })

  test('patterns that the group follows stand beside the positions, and are none', async () => {
    await using subject = await open()
    const { store } = subject
    const position = { topic: 'kc.a', partition: 0, offset: 7, start: 2, topicId: 'id' }
    await store.writePositions([position], store.runId, ['kc.*', '*.7', 'optional'])
    await store.writePositions([], store.runId, ['kc.*'])
    expect(await store.positions()).toEqual([position])
    expect((await store.followedPatterns()).sort()).toEqual(['*.7', 'kc.*', 'optional'])
    await store.clearPositions()
    expect(await store.followedPatterns()).toEqual([])
  })
})

describe('a store that has lost calls of this process', () => {
  const position = { topic: 't', partition: 0, offset: 7, start: 0, topicId: '' }

  async function counted(url?: string) {
    const fixture = await RedisFixture.create({ isCounted: true, ...(url !== undefined && { url }) })
    const store = new RedisEpochStore(fixture.redis, fixture.keys)
    await store.lock('a', 60_000)
    await store.confirm('a', 1_000, store.runId)
    return { fixture, store }
  }

  /** As it was some calls ago. */
  async function fallBack({ keys, other }: RedisFixture, calls: number): Promise<void> {
    const field = ((await other.command('HKEYS', keys.epoch())) as string[]).find((it) =>
      it.startsWith('writes:'),
    )
    await other.command('HINCRBY', keys.epoch(), field ?? '', -calls)
  }

  test('gets no heartbeat, position or epoch, and is noticed by that call', async () => {
    const { fixture, store } = await counted()
    await using _ = fixture
    await fallBack(fixture, 1)
    await expect(store.writePositions([position], store.runId)).rejects.toMatchObject({
      code: 'LR_REGISTRY_LOST',
    })
    expect([store.rollbacks, await store.positions()]).toEqual([1, []])
    await fallBack(fixture, 1)
    await store.heartbeat(5_000)
    await fallBack(fixture, 1)
    expect(await store.confirm('a', 5_000, store.runId)).toBeDefined()
    expect(await store.read()).toMatchObject({ provedAtMs: 5_000 })
  })

  test('is noticed by any call, however many are under way, and once', async () => {
    const { fixture, store } = await counted()
    await using _ = fixture
    const calls = () =>
      Promise.all(Array.from({ length: 20 }, () => fixture.redis.command('GET', fixture.keys.group())))
    await calls()
    expect(store.rollbacks).toBe(0)
    await fallBack(fixture, 3)
    await calls()
    expect(store.rollbacks).toBe(1)
    await store.writePositions([position], store.runId)
    expect(await store.positions()).toEqual([position])
  })

  test('is noticed by a new connection, which takes calls without an answer for carried out', async () => {
    const { fixture, store } = await counted()
    await using _ = fixture
    await fallBack(fixture, -2)
    await fixture.reconnect()
    expect(store.rollbacks).toBe(0)
    await fallBack(fixture, 1)
    await fixture.reconnect()
    expect(store.rollbacks).toBe(1)
  })

  test('is not one that refuses writes for a while', async () => {
    await using server = await startRedisServer()
    const { fixture, store } = await counted(server.url)
    await using _ = fixture
    await fixture.other.command('CONFIG', 'SET', 'maxmemory', '1')
    try {
      await expect(store.heartbeat(2_000)).rejects.toThrow(/OOM/)
      await fixture.redis.command('GET', fixture.keys.group())
    } finally {
      await fixture.other.command('CONFIG', 'SET', 'maxmemory', '0')
    }
    await store.writePositions([position], store.runId)
    expect(store.rollbacks).toBe(0)
  })
})

test('the string that an earlier release kept at the epoch is none, and makes room for one', async () => {
  await using fixture = await RedisFixture.create()
  const store = new RedisEpochStore(fixture.redis, fixture.keys)
  await fixture.redis.command('SET', fixture.keys.epoch(), `old ${store.runId}`)
  expect(await store.read()).toBeUndefined()
  await store.lock('a', 60_000)
  expect(await store.confirm('a', 1, store.runId)).toBeDefined()
  expect(await store.read()).toMatchObject({ isOfThisRun: true })
})

test('what somebody else has written among the positions is passed over', async () => {
  await using fixture = await RedisFixture.create()
  const store = new RedisEpochStore(fixture.redis, fixture.keys)
  await fixture.redis.command('HSET', fixture.keys.positions(), 'odd', 'x', 't/0', '-4 0 ', 't/1', '4 0 ')
  expect(await store.positions()).toEqual([{ topic: 't', partition: 1, offset: 4, start: 0, topicId: '' }])
})

test('nothing is said of a server that came in meanwhile, also by whoever holds the lock there', async () => {
  await using fixture = await RedisFixture.create()
  const store = new RedisEpochStore(fixture.redis, fixture.keys)
  await store.lock('a', 60_000)
  expect(await store.confirm('a', 1, 'another run')).toBeUndefined()
  const position = { topic: 't', partition: 0, offset: 1, start: 0, topicId: '' }
  await expect(store.writePositions([position], 'another run')).rejects.toMatchObject({
    code: 'LR_REGISTRY_LOST',
  })
  expect([await store.read(), await store.positions()]).toEqual([undefined, []])
})
