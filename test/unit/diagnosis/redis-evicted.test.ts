import { expect, test } from 'vitest'
import { checkEvicted } from '../../../src/diagnosis/redis-server.ts'
import { redisFacts, troubles, unread } from './sample-facts.ts'

test('no key dropped is fine', () => {
  expect(troubles(checkEvicted(redisFacts()))).toEqual([])
})

test('keys that were dropped are warned of, with how to get back what the topic knows', () => {
  const [finding, ...more] = troubles(checkEvicted(redisFacts({ evictedKeys: { value: 17 } })))
  expect(more).toEqual([])
  expect(finding).toMatchObject({ severity: 'warning' })
  expect(finding?.text).toContain('17 keys')
  expect(finding?.remedy).toMatch(/noeviction.*delete lr:epoch.*CONFIG RESETSTAT/)
})

test('that the figure cannot be read is told by the check of the policy', () => {
  expect(troubles(checkEvicted(redisFacts({ evictedKeys: unread })))).toEqual([])
})
