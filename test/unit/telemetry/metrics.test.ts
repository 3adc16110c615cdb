import { Histogram, Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { TalliedCounter } from '../../../src/telemetry/tallied-counter.ts'
import { TalliedHistogram } from '../../../src/telemetry/tallied-histogram.ts'

const named = (registry: Registry) => ({ registry, name: 'a', help: 'A.' })

describe('tallied metrics', () => {
  test('a histogram says what the library would say of the same values', async () => {
    const [mine, theirs] = [new Registry(), new Registry()]
    const bounds = [0.1, 1, 5]
    const tallied = new TalliedHistogram(named(mine), bounds)
    const usual = new Histogram({ name: 'logout_relay_a', help: 'A.', buckets: bounds, registers: [theirs] })
    expect(await mine.metrics()).toBe(await theirs.metrics())
    for (const value of [0, 0.1, 0.25, 1, 1.5, 5, 6, 1_000]) {
      tallied.add(value)
      usual.observe(value)
    }
    expect(await mine.metrics()).toBe(await theirs.metrics())
    const plain = ({ labels, metricName, value }: object & Record<string, unknown>) => [
      metricName,
      labels,
      value,
    ]
    expect((await tallied.get()).values.map(plain)).toEqual((await usual.get()).values.map(plain))
  })

  test('a counter shows each tally, from 0 up, and the same however often it is read', async () => {
    const registry = new Registry()
    const counter = new TalliedCounter(named(registry), ['kind'])
    counter.tallies(['x', 'y'], (kind) => ({ kind })).x.count += 2
    counter.tally({ kind: 'x' }).count++
    const text = 'logout_relay_a{kind="x"} 3\nlogout_relay_a{kind="y"} 0\n'
    expect(await registry.metrics()).toContain(text)
    expect(await registry.metrics()).toContain(text)
  })

  test('one without labels is 0 at the start', async () => {
    const registry = new Registry()
    const tally = new TalliedCounter(named(registry)).tally({})
    expect(await registry.metrics()).toContain('logout_relay_a 0\n')
    tally.count++
    expect(await registry.metrics()).toContain('logout_relay_a 1\n')
  })
})

test('a client id that turns the direction of what follows is shown without that', async () => {
  const metrics = new Metrics()
  metrics.failedAt.of('shop\u202Egnp').count++
  metrics.failedAt.of('shop\u202Dgnp').count++
  const labels = { client_id: 'shop\u202Egnp' }
  metrics.labelledGauge('g', 'G.', ['client_id'], async () => [{ labels, value: 2 }])
  const text = await metrics.registry.metrics()
  expect(text).toContain('logout_relay_delivery_failures_total{client_id="shop\uFFFDgnp"} 2\n')
  expect(text).toContain('logout_relay_g{client_id="shop\uFFFDgnp"} 2\n')
})

test('the build is shown with its version', async () => {
  const metrics = new Metrics()
  metrics.showBuild('1.2.3')
  expect(await metrics.registry.metrics()).toContain(
    `logout_relay_build_info{version="1.2.3",node="${process.version}"} 1`,
  )
})
