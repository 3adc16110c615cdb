import { expect, test } from 'vitest'
import type { RedisCommand, RedisConnection } from '../../../src/redis/redis-connection.ts'
import { RedisKeys } from '../../../src/redis/redis-keys.ts'
import { SessionCalls } from '../../../src/redis/session-calls.ts'
import { EpochGuard } from '../../../src/registry/epoch-guard.ts'

const keys = new RedisKeys('lr')
const READ: RedisCommand = ['HGETALL', 'session']

/** A store that may be emptied just before it executes the named command. */
function callsOn(emptiedBefore: string | undefined): SessionCalls {
  let epoch: string | null = 'epoch'
  const run = ([name]: RedisCommand): unknown => {
    if (name === emptiedBefore) epoch = null
    return name === 'HGET' ? epoch : []
  }
  const redis = {
    runId: 'run',
    rollbacks: 0,
    pipeline: async (commands: readonly RedisCommand[]) => commands.map(run),
  }
  const guard = new EpochGuard(redis)
  guard.adopt({ id: 'epoch', runId: 'run' })
  return new SessionCalls(redis as unknown as RedisConnection, keys, guard)
}

test('what was read of a store that held the registry all the while counts', async () => {
  expect(await callsOn(undefined).pipelineGuarded([READ, READ])).toEqual([[], []])
})

test('nothing counts that was read of a store which was emptied at that moment, after the look at it too', async () => {
  await expect(callsOn('HGETALL').pipelineGuarded([READ, READ])).rejects.toMatchObject({
    code: 'LR_REGISTRY_LOST',
  })
  await expect(callsOn('HGET').pipelineGuarded([READ])).rejects.toMatchObject({ code: 'LR_REGISTRY_LOST' })
})

test('nothing counts that another server answers, although it shows the epoch: it is a copy, which may have fallen behind', async () => {
  const redis = {
    runId: 'run',
    rollbacks: 0,
    pipeline: async (commands: readonly RedisCommand[]) => commands.map(() => 'epoch'),
  }
  const guard = new EpochGuard(redis)
  guard.adopt({ id: 'epoch', runId: 'run' })
  const calls = new SessionCalls(redis as unknown as RedisConnection, keys, guard)
  await calls.pipelineGuarded([READ])
  redis.runId = 'another run'
  expect(guard.isIntact).toBe(false)
  await expect(calls.pipelineGuarded([READ])).rejects.toMatchObject({ code: 'LR_REGISTRY_LOST' })
})

test('nothing counts of a store that has lost writes of this process, although it is the same server and shows the epoch', async () => {
  const redis = {
    runId: 'run',
    rollbacks: 0,
    // Noticed with the answer.
    pipeline: async (commands: readonly RedisCommand[]) => {
      redis.rollbacks++
      return commands.map(() => 'epoch')
    },
  }
  const guard = new EpochGuard(redis)
  guard.adopt({ id: 'epoch', runId: 'run' })
  const calls = new SessionCalls(redis as unknown as RedisConnection, keys, guard)
  await expect(calls.pipelineGuarded([READ])).rejects.toMatchObject({ code: 'LR_REGISTRY_LOST' })
})
