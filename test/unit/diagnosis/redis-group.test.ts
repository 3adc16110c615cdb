import { expect, test } from 'vitest'
import { checkGroup } from '../../../src/diagnosis/redis-content.ts'
import { expectations, redisFacts, troubles, unread } from './sample-facts.ts'

const found = (groupId: string | undefined) =>
  troubles(checkGroup(redisFacts({ groupId: { value: groupId } }), expectations))

test('the own group, or none, is fine', () => {
  expect([...found('logout-relay'), ...found(undefined)]).toEqual([])
})

test('another group is warned of, with both names and what happens', () => {
  const [finding, ...more] = found('blue')
  expect(more).toEqual([])
  expect(finding).toMatchObject({ about: 'blue', severity: 'warning' })
  for (const part of ['"blue"', '"logout-relay"', 'prefix lr', 'twice', 'fails', 'continues']) {
    expect(finding?.text).toContain(part)
  }
  for (const part of ['REDIS_PREFIX', 'KAFKA_GROUP_ID', 'delete the key lr:group']) {
    expect(finding?.remedy).toContain(part)
  }
})

test('a group that cannot be read is a hint', () => {
  expect(troubles(checkGroup(redisFacts({ groupId: unread }), expectations))).toEqual([
    expect.objectContaining({ severity: 'hint', remedy: expect.stringContaining('lr:group') }),
  ])
})
