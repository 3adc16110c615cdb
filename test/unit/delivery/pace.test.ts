import { describe, expect, test } from 'vitest'
import { Pace } from '../../../src/delivery/pace.ts'

function ends(pace: Pace, count: number, everyMs: number): void {
  for (let n = 0; n < count; n++) pace.ended(everyMs)
}

describe('pace', () => {
  test('is not known before anything has ended', () => {
    expect(new Pace().perMs).toBe(0)
  })

  test('is what ends per millisecond', () => {
    const pace = new Pace()
    ends(pace, 1_000, 4)
    expect(pace.perMs).toBeCloseTo(0.25)
  })

  test('counts those that end within the same millisecond', () => {
    const pace = new Pace()
    for (let n = 0; n < 200; n++) {
      pace.ended(8)
      ends(pace, 7, 0)
    }
    expect(pace.perMs).toBeCloseTo(1, 1)
  })

  test('outlasts a short pause', () => {
    const pace = new Pace()
    ends(pace, 1_000, 1)
    pace.ended(100)
    expect(pace.perMs).toBeGreaterThan(0.7)
  })

  test('follows an RP that becomes slow within a few attempts', () => {
    const pace = new Pace()
    ends(pace, 1_000, 1)
    ends(pace, 3, 300)
    expect(pace.perMs).toBeLessThan(0.05)
  })
})
