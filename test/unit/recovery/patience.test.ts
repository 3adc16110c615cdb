import { afterEach, expect, test, vi } from 'vitest'
import { RelayFault } from '../../../src/lib/errors.ts'
import { Patience, unreachableFault } from '../../../src/recovery/patience.ts'

afterEach(() => void vi.useRealTimers())

const away = new Error('connect ECONNREFUSED')

test('ends when something fails for twenty seconds in a row, however often that was', () => {
  let nowMs = 0
  const patience = new Patience(() => nowMs)
  for (let failures = 1; failures <= 500; failures++) patience.suffer('Redis', away, failures)
  nowMs = 19_999
  patience.suffer('Redis', away, 501)
  expect(patience.signal.aborted).toBe(false)
  nowMs = 20_000
  patience.suffer('Redis', away, 502)
  expect(patience.signal.aborted).toBe(true)
  expect(patience.fault).toMatchObject({ code: 'LR_UNREACHABLE', message: expect.stringContaining('Redis') })
})

test('a success in between begins it anew, and Kafka and Redis are two things', () => {
  let nowMs = 0
  const patience = new Patience(() => nowMs)
  patience.suffer('Kafka', away, 1)
  nowMs = 15_000
  patience.suffer('Kafka', away, 1)
  patience.suffer('Redis', away, 1)
  nowMs = 30_000
  patience.suffer('Kafka', away, 2)
  patience.suffer('Redis', away, 2)
  expect(patience.signal.aborted).toBe(false)
})

test('a step is repeated until it succeeds; what waiting cannot mend is thrown; an interrupt is no fault', async () => {
  vi.useFakeTimers()
  const patience = new Patience()
  let failures = 2
  const step = async () => {
    if (failures-- > 0) throw away
    return 'done'
  }
  const repeated = patience.repeat('Redis', step)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await repeated).toBe('done')
  const lost = new RelayFault('LR_REGISTRY_LOST', 'lost')
  await expect(patience.repeat('Redis', () => Promise.reject(lost))).rejects.toBe(lost)
  patience.interrupt()
  expect(await patience.repeat('Redis', step)).toBeUndefined()
  expect(patience.fault).toBeUndefined()
})

test('what the clients throw is told as out of reach, what the program throws is not', () => {
  const ofKafka = Object.assign(new Error('broker not connected'), { name: 'KafkaJSConnectionError' })
  const ofRedis = new Error('Connection is closed.')
  for (const error of [ofKafka, ofRedis, new RelayFault('LR_UNAVAILABLE', 'Redis is not reachable')])
    expect(unreachableFault(error)).toMatchObject({ code: 'LR_UNREACHABLE', cause: error })
  const own = new TypeError('x is not a function')
  expect(unreachableFault(own)).toBe(own)
})
