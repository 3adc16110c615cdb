import { expect, test } from 'vitest'
import { Ration } from '../../../src/lib/ration.ts'

test('what is beyond the ration of a minute is counted, and told with the first of the next', () => {
  let nowMs = 1
  const ration = new Ration(2, () => nowMs)
  expect(ration.take()).toEqual({ leftOut: 0, isLast: false })
  expect(ration.take()).toEqual({ leftOut: 0, isLast: true })
  for (let i = 0; i < 3; i++) expect(ration.take()).toBeUndefined()
  nowMs += 59_999
  expect(ration.take()).toBeUndefined()
  nowMs += 1
  expect(ration.take()).toEqual({ leftOut: 4, isLast: false })
  expect(ration.take()).toEqual({ leftOut: 0, isLast: true })
})
