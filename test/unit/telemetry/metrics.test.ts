import { expect, test } from 'vitest'
import { Metrics } from '../../../src/telemetry/metrics.ts'

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
