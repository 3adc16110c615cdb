import { expect, test } from 'vitest'
import { checkRedisEviction } from '../../../src/diagnosis/redis-eviction.ts'
import { redisFacts, unread } from './sample-facts.ts'

const found = (policy: string, maxMemoryBytes?: number) =>
  checkRedisEviction(redisFacts({ eviction: { value: { policy, maxMemoryBytes } } }))

test('noeviction is fine, with and without a bound', () => {
  expect([...found('noeviction', 0), ...found('noeviction', 1), ...found('noeviction')]).toEqual([])
})

test.each([
  'allkeys-lru',
  'allkeys-lfu',
  'allkeys-random',
  'volatile-lru',
  'volatile-lfu',
  'volatile-random',
  'volatile-ttl',
])('%s is warned of, with its name and the mend', (policy) => {
  expect(found(policy, 1_000)).toEqual([
    {
      check: 'redis-eviction',
      severity: 'warning',
      message: expect.stringContaining(`${policy}: when its memory is full`),
      mend: 'set maxmemory-policy to noeviction',
    },
  ])
})

test('parked deliveries have no time to live, so volatile policies leave them alone', () => {
  expect(found('allkeys-lru')[0]?.message).toContain('parked deliveries')
  expect(found('volatile-lru')[0]?.message).not.toContain('parked deliveries')
})

test('without a bound it may come later', () => {
  expect(found('allkeys-lru', 0)[0]?.message).toContain('once maxmemory is set and reached')
})

test('a policy that cannot be read is a hint', () => {
  const [finding] = checkRedisEviction(redisFacts({ eviction: unread }))
  expect(finding).toMatchObject({ check: 'redis-eviction', severity: 'hint' })
  expect(finding?.message).toContain(unread.unread)
  expect(finding?.mend).toContain('CONFIG GET')
})
