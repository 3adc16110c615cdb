import { describe, expect, test } from 'vitest'
import { RedisEpochStore } from '../../src/redis/redis-epoch-store.ts'
import type { EpochStore } from '../../src/registry/epoch-store.ts'
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

  test('heartbeats are counted over all epochs, and alone make none', async () => {
    await using subject = await open()
    const { store } = subject
    expect(await store.heartbeat(1_000)).toBe(1)
    expect(await store.read()).toBeUndefined()
    await store.lock('a', 60_000)
    await store.confirm('a', 1_500, store.runId)
    expect(await store.heartbeat(2_000)).toBe(2)
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
