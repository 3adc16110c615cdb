import { expect, test } from 'vitest'
import type { PrefixedKey } from '../../../src/diagnosis/facts.ts'
import { checkRedisKeys } from '../../../src/diagnosis/redis-keys.ts'
import { redisFacts, troubles, unread } from './sample-facts.ts'

const found = (...value: PrefixedKey[]) => troubles(checkRedisKeys(redisFacts({ prefixedKeys: { value } })))
const index = { key: 'lr:backlogs', type: 'zset', expected: 'zset', isSingle: true }
const session = { key: 'lr:session:{https://op|s1}', type: 'hash', expected: 'hash', isSingle: false }
const unknown = { key: 'lr:cart:7', type: 'string', expected: undefined, isSingle: false }

test('keys as the layout has them are fine', () => {
  expect(found()).toEqual([])
  expect(found(index, session)).toEqual([])
})

test('a wrong type where there is one key for everything is an error, one per key', () => {
  const epoch = { ...index, key: 'lr:epoch', type: 'string', expected: 'hash' }
  const findings = found({ ...index, type: 'string' }, epoch)
  expect(findings.map(({ severity, about }) => [severity, about])).toEqual([
    ['error', 'lr:backlogs'],
    ['error', 'lr:epoch'],
  ])
  expect(findings[0]?.text).toContain('lr:backlogs holds a string instead of a zset')
  expect(findings[0]?.remedy).toMatch(/delete or rename it, or .* another REDIS_PREFIX/)
})

test('a wrong type at a key of one session or RP is warned of, all of them at once', () => {
  const wrong = [1, 2, 3, 4, 5].map((i) => ({
    ...session,
    key: `lr:session:{https://op|s${i}}`,
    type: 'list',
  }))
  const [finding, ...more] = found(session, ...wrong)
  expect(more).toEqual([])
  expect(finding).toMatchObject({ about: 'type session', severity: 'warning' })
  expect(finding?.text).toContain('lr:session:{https://op|s1} (a list, not a hash)')
  expect(finding?.text).toMatch(/and 2 more$/)
})

test('what somebody else wrote into a backlog, and a session that is full, is warned of by its key', () => {
  const backlog = { key: 'lr:backlog:{https://op|shop}', type: 'zset', expected: 'zset', isSingle: false }
  const findings = found({ ...backlog, setAside: 2 }, { ...session, isFull: true })
  expect(findings.map(({ about, text }) => [about, text])).toEqual([
    ['entries', expect.stringContaining('2 in lr:backlog:{https://op|shop}')],
    ['registrations', expect.stringContaining(session.key)],
  ])
})

test('keys that the layout does not know are warned of', () => {
  const [finding, ...more] = found(unknown)
  expect(more).toEqual([])
  expect(finding).toMatchObject({
    about: 'unknown',
    severity: 'warning',
    remedy: expect.stringContaining('REDIS_PREFIX'),
  })
  expect(finding?.text).toContain('lr:cart:7')
})

test('for the status page there is a summary without the keys, which may name a session', () => {
  const summaries = found(unknown, { ...session, type: 'list' }).map(({ summary }) => summary)
  expect(summaries).toEqual([
    'keys with a wrong type: its records become dead letters',
    "keys under lr: that are not the relay's",
  ])
})

test('a long key is cut', () => {
  const [finding] = found({ ...unknown, key: `lr:${'x'.repeat(5_000)}` })
  expect(finding?.text.length).toBeLessThan(300)
})

test('keys that cannot be listed are a hint', () => {
  expect(troubles(checkRedisKeys(redisFacts({ prefixedKeys: unread })))).toEqual([
    expect.objectContaining({ severity: 'hint', remedy: expect.stringContaining('SCAN') }),
  ])
})

test('what is larger than the relay reads is a warning that names the key', () => {
  const [finding] = found(index, { ...session, isOversize: true })
  expect(finding).toMatchObject({ severity: 'warning', about: 'size' })
  expect(finding?.text).toContain(session.key)
})
