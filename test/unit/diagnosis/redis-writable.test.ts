import { expect, test } from 'vitest'
import { checkRedisWritable } from '../../../src/diagnosis/redis-writable.ts'
import { redisFacts, unread } from './sample-facts.ts'

const replica = { value: { isReplica: true, master: '10.0.0.5:6379' } }

test('a primary that takes writes is fine, also when it does not tell what it is', () => {
  expect(checkRedisWritable(redisFacts())).toEqual([])
  expect(checkRedisWritable(redisFacts({ role: unread }))).toEqual([])
})

test.each([
  { code: 'READONLY', says: /read-only replica/, mend: /primary/ },
  { code: 'MISCONF', says: /cannot save its data/, mend: /disk space/ },
  { code: 'OOM', says: /reached maxmemory/, mend: /raise maxmemory/ },
  { code: 'NOREPLICAS', says: /too few replicas/, mend: /min-replicas-to-write/ },
  { code: 'NOPERM', says: /may not write/, mend: /on the keys of the prefix/ },
  { code: 'LOADING', says: /still loading/, mend: /wait/ },
  { code: 'CLUSTERDOWN', says: /refuses writes/, mend: /what Redis says/ },
])('a write refused with $code is an error that quotes Redis', ({ code, says, mend }) => {
  const message = `${code} because of something`
  expect(checkRedisWritable(redisFacts({ refusedWrite: { code, message } }))).toEqual([
    {
      check: 'redis-writable',
      about: code,
      severity: 'error',
      message: expect.stringMatching(says),
      mend: expect.stringMatching(mend),
    },
  ])
  const [finding] = checkRedisWritable(redisFacts({ refusedWrite: { code, message } }))
  expect(finding?.message).toContain(message)
})

test('a replica is told with its primary', () => {
  const refusedWrite = { code: 'READONLY', message: "READONLY You can't write against a read only replica." }
  const [finding] = checkRedisWritable(redisFacts({ refusedWrite, role: replica }))
  expect(finding?.message).toContain('read-only replica of 10.0.0.5:6379: ')
})

test('a replica that takes writes is an error as well: they are lost when it synchronizes', () => {
  const [finding] = checkRedisWritable(redisFacts({ role: replica }))
  expect(finding).toMatchObject({ check: 'redis-writable', severity: 'error' })
  expect(finding?.message).toMatch(/replica of 10\.0\.0\.5:6379 that accepts writes.*lost/)
})
