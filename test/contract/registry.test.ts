import { RedisRegistry } from '../../src/redis/redis-registry.ts'
import { MemoryRegistry } from '../support/memory-registry.ts'
import { RedisFixture } from './redis-fixture.ts'
import { testRegistry } from './registry-contract.ts'

testRegistry('memory', async () => ({
  registry: new MemoryRegistry(),
  [Symbol.asyncDispose]: async () => undefined,
}))

testRegistry('Redis', async () => {
  const fixture = await RedisFixture.create()
  const { keys, redis } = fixture
  const registry = new RedisRegistry({ keys, redis, sessionLifetimeMs: 86_400_000, tombstoneMs: 3_600_000 })
  return { registry, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() }
})
