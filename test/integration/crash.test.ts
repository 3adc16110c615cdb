import { afterEach, beforeEach, expect, test } from 'vitest'
import { expectAllDelivered, registerSessions } from '../support/delivery-ledger.ts'
import { type Ledger, startLedger } from '../support/ledger/ledger.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

const SESSIONS = 400
const RPS = 5
const DELIVERIES = SESSIONS * RPS
const MAX_IN_FLIGHT = 32
/** Accepted by the RP and not final yet: attempts in flight, and outcomes on their way to Kafka and Redis. */
const MAX_UNSETTLED = 200
/** The last record that finds room may bring more deliveries than there were places; claims have places of their own. */
const OVERSHOOT_MAX = 2 * RPS + MAX_UNSETTLED / 2

let site: RelaySite
let ledger: Ledger

beforeEach(async () => {
  site = await openSite({
    env: {
      MAX_IN_FLIGHT: String(MAX_IN_FLIGHT),
      MAX_UNSETTLED: String(MAX_UNSETTLED),
      // What the killed relay had claimed from the backlog waits for the end of its lease.
      RETRY_LEASE_MS: '2000',
      ATTEMPT_TIMEOUT_MS: '1500',
      KAFKA_SESSION_TIMEOUT_MS: '2000',
    },
  })
  ledger = await startLedger({ origins: RPS, verify: 'all', jwks: site.publicJwks(), issuer: ISSUER })
})
afterEach(async () => {
  await ledger.stop()
  await site.close()
})

test('kill -9 in the middle of 2,000 deliveries: nothing is lost, and no more comes twice than was unsettled', async () => {
  const work = await registerSessions(site, ledger, SESSIONS)
  const relay = await site.startRelay()
  await site.topic.publish(...work.sessionIds.map((sessionId) => site.terminated({ sessionId })))
  await ledger.waitFor({ distinctMin: DELIVERIES * 0.4 })
  await relay.kill()
  const { distinct } = await ledger.summary()
  expect(distinct).toBeLessThan(DELIVERIES)
  await site.startRelay()
  await expectAllDelivered(site, ledger, work, { duplicatesMax: MAX_UNSETTLED + OVERSHOOT_MAX })
})

test('three kills in a row, each in another moment', async () => {
  const work = await registerSessions(site, ledger, SESSIONS)
  await site.startRelay().then((relay) => relay.stop())
  await site.topic.publish(...work.sessionIds.map((sessionId) => site.terminated({ sessionId })))
  for (const share of [0.05, 0.35, 0.7]) {
    const relay = await site.startRelay()
    await ledger.waitFor({ distinctMin: DELIVERIES * share })
    await relay.kill()
  }
  await site.startRelay()
  await expectAllDelivered(site, ledger, work, { duplicatesMax: 3 * (MAX_UNSETTLED + OVERSHOOT_MAX) })
})
