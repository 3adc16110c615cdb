import { expect, test } from 'vitest'
import { checkRedisGroup } from '../../../src/diagnosis/redis-group.ts'
import { expectations, redisFacts, unread } from './sample-facts.ts'

const found = (groupId: string | undefined) =>
  checkRedisGroup(redisFacts({ groupId: { value: groupId } }), expectations)

test('the own group, or none, is fine', () => {
  expect([...found('logout-relay'), ...found(undefined)]).toEqual([])
})

test('another group is warned of, with both names and what happens', () => {
  const [finding, ...more] = found('blue')
  expect(more).toEqual([])
  expect(finding).toMatchObject({ check: 'redis-group', about: 'blue', severity: 'warning' })
  for (const part of [
    '"blue"',
    '"logout-relay"',
    'prefix lr',
    'told twice',
    'fails it',
    'goes on where it was',
  ]) {
    expect(finding?.message).toContain(part)
  }
  for (const part of ['REDIS_PREFIX', 'KAFKA_GROUP_ID', 'delete the key lr:group']) {
    expect(finding?.mend).toContain(part)
  }
})

test('a group that cannot be read is a hint', () => {
  expect(checkRedisGroup(redisFacts({ groupId: unread }), expectations)).toEqual([
    expect.objectContaining({ severity: 'hint', mend: expect.stringContaining('lr:group') }),
  ])
})
