import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually } from '../support/eventually.ts'
import { readMetric } from '../support/relay-metrics.ts'
import type { RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

const HUNG = 200

let site: RelaySite

beforeEach(async () => {
  site = await openSite({
    env: {
      ATTEMPT_TIMEOUT_MS: '5000',
      BREAKER_FAILURES: '1',
      BREAKER_MAX_COOLDOWN_MS: '1000',
      RETRY_MAX_DELAY_MS: '60000',
      RETRY_DEADLINE_MS: '20000',
    },
  })
})
afterEach(() => site.close())

test('an RP that is well again is told before its deadline, although two hundred at the same address hang', async () => {
  const sessionId = randomUUID()
  const hung = Array.from({ length: HUNG }, (_, i) => {
    const path = `/hung-${i}`
    return site.registration(path, { sessionId, backchannelLogoutUri: site.rps.uri(path, () => undefined) })
  })
  let isBack = false
  const uri = site.rps.uri('/well', (_request, response) => end(response, isBack ? 200 : 503))
  const well = Array.from({ length: 20 }, () => site.registration('/well', { backchannelLogoutUri: uri }))
  await site.registerInRedis(...hung, ...well)
  const relay = await site.startRelay()
  await site.topic.publish(site.terminated({ sessionId }))
  // Probes of all of them have been made, so that from now on each waits for the others.
  await eventually(() => expect(site.rps.requests.items.length).toBeGreaterThan(2 * HUNG))
  await site.topic.publish(...well.map((it) => site.terminated(it)))
  await site.rps.waitFor('/well', 2)
  isBack = true
  for (const { sessionId } of well) {
    const { headers } = await site.topic.waitForOutcome('client-well', sessionId)
    expect(headers.ce_type).toBe('backchannel-logout-sent')
  }
  expect(await readMetric(relay, 'breaker_openings_total')).toBeGreaterThan(HUNG)
})
