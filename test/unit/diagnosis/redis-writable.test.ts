import { expect, test } from 'vitest'
import { checkWritable } from '../../../src/diagnosis/redis-server.ts'
import { redisFacts, troubles, unread } from './sample-facts.ts'

const replica = { value: { isReplica: true, master: '10.0.0.5:6379' } }

test('a primary that takes writes is fine, also when it does not tell what it is', () => {
  expect(troubles(checkWritable(redisFacts()))).toEqual([])
  expect(troubles(checkWritable(redisFacts({ role: unread })))).toEqual([])
})

test.each([
  { code: 'READONLY', says: /read-only replica/, remedy: /primary/ },
  { code: 'MISCONF', says: /cannot save its data/, remedy: /disk space/ },
  { code: 'OOM', says: /reached maxmemory/, remedy: /raise maxmemory/ },
  { code: 'NOREPLICAS', says: /too few replicas/, remedy: /min-replicas-to-write/ },
  { code: 'NOPERM', says: /may not write/, remedy: /on the keys of the prefix/ },
  { code: 'LOADING', says: /still loading/, remedy: /wait/ },
  { code: 'CLUSTERDOWN', says: /refuses writes/, remedy: /log of Redis/ },
])('a write refused with $code is an error that quotes Redis', ({ code, says, remedy }) => {
  const message = `${code} because of something`
  expect(troubles(checkWritable(redisFacts({ refusedWrite: { code, message } })))).toEqual([
    {
      about: code,
      severity: 'error',
      text: expect.stringMatching(says),
      remedy: expect.stringMatching(remedy),
    },
  ])
  const [finding] = troubles(checkWritable(redisFacts({ refusedWrite: { code, message } })))
  expect(finding?.text).toContain(message)
})

test('a replica is told with its primary', () => {
  const refusedWrite = { code: 'READONLY', message: "READONLY You can't write against a read only replica." }
  const [finding] = troubles(checkWritable(redisFacts({ refusedWrite, role: replica })))
  expect(finding?.text).toContain('read-only replica of 10.0.0.5:6379: ')
})

test('a replica that takes writes is an error as well: they are lost when it synchronizes', () => {
  const [finding] = troubles(checkWritable(redisFacts({ role: replica })))
  expect(finding).toMatchObject({ severity: 'error' })
  expect(finding?.text).toMatch(/replica of 10\.0\.0\.5:6379 that accepts writes.*loses/)
})
