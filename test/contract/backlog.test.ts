import { RedisBacklog } from '../../src/redis/redis-backlog.ts'
import { MemoryBacklog } from '../support/memory-backlog.ts'
import { testBacklog } from './backlog-contract.ts'
import { connectRedis, RedisFixture } from './redis-fixture.ts'

testBacklog('memory', async () => {
  const backlog = new MemoryBacklog()
  return {
    backlog,
    replicas: async (count) => new Array(count).fill(backlog),
    [Symbol.asyncDispose]: async () => undefined,
  }
})

testBacklog('Redis', async () => {
  const fixture = await RedisFixture.create()
  const { keys, redis } = fixture
  const connections: Awaited<ReturnType<typeof connectRedis>>[] = []
  return {
    backlog: new RedisBacklog(redis, keys),
    replicas: async (count) => {
      const others = await Promise.all(Array.from({ length: count }, connectRedis))
      connections.push(...others)
      return others.map((connection) => new RedisBacklog(connection, keys))
    },
    [Symbol.asyncDispose]: async () => {
      for (const connection of connections) connection.close()
      await fixture[Symbol.asyncDispose]()
    },
  }
})
