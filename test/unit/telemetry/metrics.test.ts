import { Histogram, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { TalliedHistogram } from '../../../src/telemetry/tallied-histogram.ts'

test('a histogram that counts in an array says what that of the library says of the same values', async () => {
  const [mine, theirs] = [new Registry(), new Registry()]
  const named = { name: 'logout_relay_a', help: 'A.', buckets: [0.1, 1, 5] }
  const tallied = new TalliedHistogram({ ...named, registers: [mine] })
  const usual = new Histogram({ ...named, registers: [theirs] })
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

test('what can be named beforehand is 0 at the start, and the same however often it is read', async () => {
  const { registry, deliveries, faults } = new Metrics()
  expect(await registry.metrics()).toContain('logout_relay_rebuilds_total 0\n')
  expect(await registry.metrics()).toContain('logout_relay_deliveries_total{outcome="sent",reason=""} 0\n')
  deliveries.inc({ outcome: 'sent', reason: '' })
  faults.inc({ part: 'redis' })
  for (const _ of ['once', 'again']) {
    const text = await registry.metrics()
    expect(text).toContain('logout_relay_deliveries_total{outcome="sent",reason=""} 1\n')
    expect(text).toContain('logout_relay_faults_total{part="redis"} 1\n')
    expect(text).toContain('logout_relay_faults_total{part="kafka-commit"} 0\n')
  }
})

test('a client id that turns the direction of what follows is shown without that', async () => {
  const metrics = new Metrics()
  metrics.clientFailures.failed('https://op.example|shop\u202Egnp')
  metrics.clientFailures.failed('https://op.example|shop\u202Dgnp')
  const labels = { client_id: 'shop\u202Egnp' }
  metrics.labelledGauge('g', 'G.', ['client_id'], async () => [{ labels, value: 2 }])
  const text = await metrics.registry.metrics()
  expect(text).toContain(
    'logout_relay_delivery_failures_total{issuer="https://op.example",client_id="shop\uFFFDgnp"} 2\n',
  )
  expect(text).toContain('logout_relay_g{client_id="shop\uFFFDgnp"} 2\n')
})

test('the build is shown with its version', async () => {
  const metrics = new Metrics()
  metrics.showBuild('1.2.3')
  expect(await metrics.registry.metrics()).toContain(
    `logout_relay_build_info{version="1.2.3",node="${process.version}"} 1`,
  )
})
