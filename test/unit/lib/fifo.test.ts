import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fifo } from '../../../src/lib/fifo.ts'

describe('fifo', () => {
  test('does what an array does', () => {
    const operation = fc.oneof(
      { weight: 6, arbitrary: fc.constant('push') },
      { weight: 5, arbitrary: fc.constant('shift') },
      { weight: 1, arbitrary: fc.constant('clear') },
    )
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 100 }), (operations) => {
        const fifo = new Fifo<number>()
        let model: number[] = []
        for (const [i, name] of operations.entries()) {
          if (name === 'push') {
            fifo.push(i)
            model.push(i)
          } else if (name === 'shift') expect(fifo.shift()).toBe(model.shift())
          else {
            fifo.clear()
            model = []
          }
          expect([fifo.size, fifo.peek(), [...fifo]]).toEqual([model.length, model[0], model])
        }
      }),
    )
  })

  test('keeps its order when it is long and half of it is gone', () => {
    const fifo = new Fifo<number>()
    let pushed = 0
    let shifted = 0
    for (let round = 0; round < 5; round++) {
      for (let n = 0; n < 3_000; n++) fifo.push(pushed++)
      const got = Array.from({ length: 2_500 }, () => fifo.shift())
      expect(got).toEqual(got.map(() => shifted++))
      expect(fifo.size).toBe(pushed - shifted)
    }
    expect([...fifo]).toEqual(Array.from({ length: pushed - shifted }, (_, i) => shifted + i))
  })
})
