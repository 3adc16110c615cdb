import { expect, test } from 'vitest'
import { checkPersistence } from '../../../src/diagnosis/redis-server.ts'
import { redisFacts, troubles, unread } from './sample-facts.ts'

type Persistence = { appendOnly: boolean; snapshots: boolean | undefined; isFailing: boolean }

const found = (value: Partial<Persistence>) =>
  troubles(
    checkPersistence(
      redisFacts({
        persistence: { value: { appendOnly: false, snapshots: false, isFailing: false, ...value } },
      }),
    ),
  )

test('an append-only file or snapshots are enough', () => {
  expect([...found({ appendOnly: true }), ...found({ snapshots: true })]).toEqual([])
})

test('none of both is a hint that tells what a restart costs', () => {
  expect(found({})).toEqual([
    {
      severity: 'hint',
      text: expect.stringMatching(
        /in memory only.*rebuilds .*from the topic.*written to Redis directly are lost/,
      ),
      remedy: 'set appendonly yes',
    },
  ])
})

test('the hint does not claim what it does not know', () => {
  expect(found({ snapshots: undefined })[0]?.text).toMatch(/no append-only file .*unknown/)
})

test('a Redis that last failed to save is warned of', () => {
  expect(found({ appendOnly: true, isFailing: true })).toEqual([
    expect.objectContaining({ severity: 'warning', remedy: expect.stringContaining('disk space') }),
  ])
})

test('what cannot be read is a hint', () => {
  expect(troubles(checkPersistence(redisFacts({ persistence: unread })))).toEqual([
    expect.objectContaining({ severity: 'hint', text: expect.stringContaining(unread.unread) }),
  ])
})
