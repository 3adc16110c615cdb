import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeAll(async () => {
  site = await openSite()
})
afterAll(() => site.close())

test('made-up clients that fail do not hide an RP that fails, nor one that is owed much', async () => {
  const relay = await site.startRelay({ RETRY_DOUBTFUL_DELAYS_MS: '0', RETRY_MAX_ATTEMPTS: '1000' })
  const uri = site.rps.uri('/labels/refuses', 403)
  const logout = async (...clientIds: readonly string[]) => {
    const registrations = clientIds.map((clientId) =>
      site.registration('/', {
        clientId,
        backchannelLogoutUri: clientId === 'dead' ? site.rps.uri('/labels/dead', 503) : uri,
      }),
    )
    await site.registerInRedis(...registrations)
    await site.topic.publish(...registrations.map((it) => site.terminated(it)))
  }
  await logout(...Array.from({ length: 150 }, (_, i) => `made-up-${i}`))
  await eventually(async () => expect(await readMetric(relay, 'delivery_failures_total')).toBe(150))
  expect(await readMetric(relay, 'delivery_failures_total', { client_id: '(others)' })).toBe(50)

  await logout(...Array<string>(10).fill('shop'), ...Array<string>(10).fill('dead'))
  await eventually(
    async () => {
      await logout('shop')
      expect(await readMetric(relay, 'delivery_failures_total', { client_id: 'shop' })).toBeGreaterThan(0)
      expect(await readMetric(relay, 'backlog_deliveries', { client_id: 'dead' })).toBe(10)
      expect(await readMetric(relay, 'breaker_open', { client_id: 'dead' })).toBe(1)
    },
    { interval: 500 },
  )
  const text = await (await fetch(`${relay.url}/metrics`)).text()
  const labels = [...text.matchAll(/client_id="([^"]*)"/g)].map(([, label]) => label)
  // With those that stand for many.
  expect(new Set(labels).size).toBeLessThanOrEqual(102)
  expect(labels).toContain('(former)')
})
