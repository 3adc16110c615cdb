import { expect, test } from 'vitest'
import { OpenRecords } from '../../../src/intake/open-records.ts'

const never = new AbortController().signal

async function isDone(promise: Promise<void>): Promise<boolean> {
  return Promise.race([
    promise.then(() => true),
    new Promise<boolean>((resolve) => setImmediate(resolve, false)),
  ])
}

test('all are settled when each has ended what it owes, also when one is settled twice', async () => {
  const records = new OpenRecords()
  expect(await isDone(records.allSettled(never))).toBe(true)
  const [first, second] = [records.begin(), records.begin()]
  const all = records.allSettled(never)
  first.owe()
  first.settled()
  second.settled()
  second.settled()
  expect(await isDone(all)).toBe(false)
  first.settled()
  expect(await isDone(all)).toBe(true)
})

test('who waits is let go when the service stops', async () => {
  const records = new OpenRecords()
  records.begin()
  const stopped = new AbortController()
  const all = records.allSettled(stopped.signal)
  expect(await isDone(all)).toBe(false)
  stopped.abort()
  expect(await isDone(all)).toBe(true)
})
