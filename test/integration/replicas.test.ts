import { afterEach, beforeEach, expect, test } from 'vitest'
import { expectAllDelivered, registerSessions } from '../support/delivery-ledger.ts'
import { type Ledger, startLedger } from '../support/ledger/ledger.ts'
import { readMetric } from '../support/relay-metrics.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

const SESSIONS = 400
const RPS = 5

let site: RelaySite
let ledger: Ledger

beforeEach(async () => {
  site = await openSite({
    topic: { partitions: 6 },
    env: { MAX_IN_FLIGHT: '32', KAFKA_SESSION_TIMEOUT_MS: '10000' },
  })
  ledger = await startLedger({ origins: RPS, verify: 'all', jwks: site.publicJwks(), issuer: ISSUER })
})
afterEach(async () => {
  await ledger.stop()
  await site.close()
})

test('a second replica that joins and leaves in the middle of a load: nothing is lost, nothing comes twice', async () => {
  await ledger.behave({ kind: 'answer', status: 200, delayMs: 20 })
  const work = await registerSessions(site, ledger, SESSIONS)
  const first = await site.startRelay()
  const triggers = work.sessionIds.map((sessionId) => site.terminated({ sessionId }))
  const quarter = SESSIONS / 4
  await site.topic.publish(...triggers.slice(0, quarter))
  await ledger.waitFor({ distinctMin: 50 })
  const second = await site.startRelay()
  await site.topic.publish(...triggers.slice(quarter, 3 * quarter))
  await ledger.waitFor({ distinctMin: (SESSIONS * RPS) / 2 })
  expect(await readMetric(second, 'triggers_total', { type: 'session-terminated' })).toBeGreaterThan(0)
  expect(await second.stop()).toBe(0)
  await site.topic.publish(...triggers.slice(3 * quarter))
  await expectAllDelivered(site, ledger, work, { duplicatesMax: 0 })
  expect(await readMetric(first, 'triggers_total', { type: 'session-terminated' })).toBeGreaterThan(0)
})
