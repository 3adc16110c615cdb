import { expect, test } from 'vitest'
import { checkEviction } from '../../../src/diagnosis/redis-server.ts'
import { redisFacts, troubles, unread } from './sample-facts.ts'

const found = (policy: string, maxMemoryBytes?: number) =>
  troubles(checkEviction(redisFacts({ eviction: { value: { policy, maxMemoryBytes } } })))

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
])('%s is warned of, with its name and the remedy', (policy) => {
  expect(found(policy, 1_000)).toEqual([
    {
      severity: 'warning',
      text: expect.stringContaining(`${policy}: when its memory is full`),
      remedy: 'set maxmemory-policy to noeviction',
    },
  ])
})

test('parked deliveries have no time to live, so volatile policies leave them alone', () => {
  expect(found('allkeys-lru')[0]?.text).toContain('parked deliveries')
  expect(found('volatile-lru')[0]?.text).not.toContain('parked deliveries')
})

test('without a bound it may come later', () => {
  expect(found('allkeys-lru', 0)[0]?.text).toContain('once maxmemory is set and reached')
})

test('a policy that cannot be read is a hint', () => {
  const [finding] = troubles(checkEviction(redisFacts({ eviction: unread })))
  expect(finding).toMatchObject({ severity: 'hint' })
  expect(finding?.text).toContain(unread.unread)
  expect(finding?.remedy).toContain('CONFIG GET')
})
