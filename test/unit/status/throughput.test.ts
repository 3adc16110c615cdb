import { expect, test } from 'vitest'
import { Throughput } from '../../../src/status/throughput.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { manualClock } from '../manual-clock.ts'

function create() {
  const clock = manualClock()
  const metrics = new Metrics()
  const throughput = new Throughput(metrics, clock)
  const pass = async (sent: number, failed = 0, seconds = 0.02) => {
    metrics.deliveries.inc({ outcome: 'sent', reason: '' }, sent)
    for (let i = 0; i < sent; i++) metrics.triggerToSent.add(seconds)
    metrics.deliveries.inc({ outcome: 'failed', reason: 'rejected' }, failed)
    clock.nowMs += 5_000
    await throughput.sample()
  }
  return { clock, metrics, pass, throughput }
}

test('a young process has no rates and no quantiles, and divides nothing by zero', async () => {
  const { throughput } = create()
  expect(await throughput.view()).toMatchObject({
    sentPerSecond: 0,
    shadowedPerSecond: 0,
    sent: [],
    failed: [],
    windowMs: 0,
    triggerToSent: undefined,
  })
})

test('rates per second, now and for every five seconds', async () => {
  const { pass, throughput } = create()
  await throughput.sample()
  await pass(50)
  await pass(100, 5)
  const view = await throughput.view()
  expect(view.sent).toEqual([10, 20])
  expect(view.failed).toEqual([0, 1])
  expect(view.everyMs).toBe(5_000)
  expect(view.sentPerSecond).toBe(20)
})

test('outcomes of the window beside those since the start; the window ends at five minutes', async () => {
  const { pass, throughput } = create()
  await throughput.sample()
  await pass(30, 3, 2)
  for (let i = 0; i < 61; i++) await pass(10)
  const view = await throughput.view()
  expect(view.sent).toHaveLength(60)
  expect(view.windowMs).toBe(300_000)
  expect(view.outcomes).toEqual([
    { outcome: 'sent', reason: '', recently: 600, total: 640 },
    { outcome: 'failed', reason: 'rejected', recently: 0, total: 3 },
  ])
  // The slow ones are past.
  expect(view.triggerToSent?.p99Ms).toBeLessThan(26)
})
