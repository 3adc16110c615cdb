import { expect, test } from 'vitest'
import { OpenTransactions } from '../../../src/kafka/open-transactions.ts'

const at = (to: number, end: number, partition = 0) => ({ topic: 't', partition, from: 0, to, end })

test('a transaction is told when it is open for ten seconds, and as long as it is', () => {
  const watch = new OpenTransactions()
  expect(watch.look([at(5, 9)], 1_000)).toEqual([])
  expect(watch.look([at(5, 12)], 10_999)).toEqual([])
  const open = { topic: 't', partition: 0, from: 5, records: 7, sinceMs: 1_000 }
  expect(watch.look([at(5, 12)], 11_000)).toEqual([open])
  expect(watch.look([at(12, 12)], 13_000)).toEqual([])
})

test('one after the other, each of them short, is none', () => {
  const watch = new OpenTransactions()
  for (let second = 0; second < 60; second++) {
    expect(watch.look([at(second, second + 2)], second * 1_000)).toEqual([])
  }
})
