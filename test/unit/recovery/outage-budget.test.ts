import { afterEach, expect, test, vi } from 'vitest'
import { RelayFault } from '../../../src/lib/errors.ts'
import { OutageBudget, unreachableFault } from '../../../src/recovery/outage-budget.ts'

afterEach(() => void vi.useRealTimers())

const away = new Error('connect ECONNREFUSED')

test('ends when something fails for twenty seconds in a row, however often that was', () => {
  let nowMs = 0
  const outageBudget = new OutageBudget(() => nowMs)
  for (let failures = 1; failures <= 500; failures++) outageBudget.noteFailure('Redis', away, failures)
  nowMs = 19_999
  outageBudget.noteFailure('Redis', away, 501)
  expect(outageBudget.signal.aborted).toBe(false)
  nowMs = 20_000
  outageBudget.noteFailure('Redis', away, 502)
  expect(outageBudget.signal.aborted).toBe(true)
  expect(outageBudget.fault).toMatchObject({
    code: 'LR_UNREACHABLE',
    message: expect.stringContaining('Redis'),
  })
})

test('a success in between begins it anew, and Kafka and Redis are two things', () => {
  let nowMs = 0
  const outageBudget = new OutageBudget(() => nowMs)
  outageBudget.noteFailure('Kafka', away, 1)
  nowMs = 15_000
  outageBudget.noteFailure('Kafka', away, 1)
  outageBudget.noteFailure('Redis', away, 1)
  nowMs = 30_000
  outageBudget.noteFailure('Kafka', away, 2)
  outageBudget.noteFailure('Redis', away, 2)
  expect(outageBudget.signal.aborted).toBe(false)
})

test('a step is repeated until it succeeds; what waiting cannot mend is thrown; an interrupt is no fault', async () => {
  vi.useFakeTimers()
  const outageBudget = new OutageBudget()
  let failures = 2
  const step = async () => {
    if (failures-- > 0) throw away
    return 'done'
  }
  const repeated = outageBudget.repeat('Redis', step)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await repeated).toBe('done')
  const lost = new RelayFault('LR_REGISTRY_LOST', 'lost')
  await expect(outageBudget.repeat('Redis', () => Promise.reject(lost))).rejects.toBe(lost)
  outageBudget.interrupt()
  expect(await outageBudget.repeat('Redis', step)).toBeUndefined()
  expect(outageBudget.fault).toBeUndefined()
})

test('what the clients throw is told as out of reach, what the program throws is not', () => {
  const error = new RelayFault('LR_UNAVAILABLE', 'Redis is not reachable')
  expect(unreachableFault(error)).toMatchObject({ code: 'LR_UNREACHABLE', cause: error })
  const own = new TypeError('x is not a function')
  expect(unreachableFault(own)).toBe(own)
})
