import { expect, test } from 'vitest'
import { counted, wordFor } from '../../../src/lib/counted.ts'

test('one of a thing, and any other number of them', () => {
  expect([0, 1, 2].map((it) => counted(it, 'record'))).toEqual(['0 records', '1 record', '2 records'])
  expect(counted(2, 'delivery', 'deliveries')).toBe('2 deliveries')
  expect([1, 2].map((it) => wordFor(it, 'waits', 'wait'))).toEqual(['waits', 'wait'])
})
