import { expect, test } from 'vitest'
import { checkRedisEvicted } from '../../../src/diagnosis/redis-evicted.ts'
import { redisFacts, unread } from './sample-facts.ts'

test('no key dropped is fine', () => {
  expect(checkRedisEvicted(redisFacts())).toEqual([])
})

test('keys that were dropped are warned of, with how to get back what the topic knows', () => {
  const [finding, ...more] = checkRedisEvicted(redisFacts({ evictedKeys: { value: 17 } }))
  expect(more).toEqual([])
  expect(finding).toMatchObject({ check: 'redis-evicted', severity: 'warning' })
  expect(finding?.message).toContain('dropped 17 keys')
  expect(finding?.mend).toMatch(/noeviction.*delete lr:epoch, and.*CONFIG RESETSTAT/)
})

test('that the figure cannot be read is told by the check of the policy', () => {
  expect(checkRedisEvicted(redisFacts({ evictedKeys: unread }))).toEqual([])
})
