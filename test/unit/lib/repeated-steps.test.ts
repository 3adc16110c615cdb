import { expect, test } from 'vitest'
import { RepeatedSteps } from '../../../src/lib/repeated-steps.ts'
import { manualClock } from '../manual-clock.ts'

function fixture() {
  const clock = manualClock()
  const steps = new RepeatedSteps(clock)
  const told: number[] = []
  const step = steps.step('parking', 'parking', (_, failures) => told.push(failures))
  return { clock, step, steps, told }
}

test('a step that has failed for more than three seconds is named, with since when and the last error', () => {
  const { clock, step, steps, told } = fixture()
  const sinceMs = clock.nowMs
  step.onError(new Error('first'), 1)
  clock.nowMs += 3_000
  step.onError(new Error('last'), 2)
  expect(steps.lasting()).toEqual({})
  clock.nowMs += 1
  expect(Object.keys(steps.lasting())).toEqual(['parking'])
  expect(steps.lasting().parking).toContain('last')
  expect(steps.lasting().parking).toContain(new Date(sinceMs).toISOString())
  expect(told).toEqual([1, 2])
})

test('the first success clears it, and what fails anew counts anew', () => {
  const { clock, step, steps } = fixture()
  step.onError(new Error('x'), 1)
  clock.nowMs += 10_000
  step.onRecovered()
  expect(steps.lasting()).toEqual({})
  step.onError(new Error('y'), 1)
  clock.nowMs += 2_999
  expect(steps.lasting()).toEqual({})
})

test('a wall clock that is set back hides nothing', () => {
  const { clock, step, steps } = fixture()
  step.onError(new Error('x'), 1)
  clock.nowMs += 4_000
  clock.stepBack(3 * 3_600_000)
  expect(Object.keys(steps.lasting())).toEqual(['parking'])
})
