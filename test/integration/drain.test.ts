import { afterEach, beforeEach, expect, test } from 'vitest'
import { expectAllDelivered, registerSessions } from '../support/delivery-ledger.ts'
import { eventually } from '../support/eventually.ts'
import { type Ledger, startLedger } from '../support/ledger/ledger.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { end } from '../support/relying-party-server.ts'
import { openSite } from './open-site.ts'

let site: RelaySite

beforeEach(async () => {
  site = await openSite({ env: { MAX_IN_FLIGHT: '8', ATTEMPT_TIMEOUT_MS: '8000', RETRY_LEASE_MS: '10500' } })
})
afterEach(() => site.close())

test('SIGTERM under load: attempts under way end, the rest goes on after the restart, nothing is lost or comes twice', async () => {
  const ledger: Ledger = await startLedger({
    origins: 4,
    verify: 'all',
    jwks: site.publicJwks(),
    issuer: ISSUER,
  })
  try {
    await ledger.behave({ kind: 'answer', status: 200, delayMs: 30 })
    const work = await registerSessions(site, ledger, 100)
    const relay = await site.startRelay()
    await site.topic.publish(...work.sessionIds.map((sessionId) => site.terminated({ sessionId })))
    await ledger.waitFor({ distinctMin: 60 })
    expect(await relay.stop()).toBe(0)
    const { distinct } = await ledger.summary()
    expect(distinct).toBeLessThan(400)
    // What was accepted has its outcome on the topic before the process ends.
    await site.topic.caughtUp()
    expect(site.topic.outcomes).toHaveLength(distinct)
    await site.startRelay()
    await expectAllDelivered(site, ledger, work, { duplicatesMax: 0 })
    expect(site.topic.outcomes).toHaveLength(400)
  } finally {
    await ledger.stop()
  }
})

test('an attempt under way at SIGTERM is waited for, within the drain deadline', async () => {
  const relay = await site.startRelay()
  const answers: (() => void)[] = []
  const backchannelLogoutUri = site.rps.uri('/slow', (_request, response) =>
    answers.push(() => end(response, 200)),
  )
  const registration = site.registration('/slow', { backchannelLogoutUri })
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  await site.rps.waitFor('/slow')
  const exited = relay.stop()
  const readiness = await eventually(async () => {
    const response = await fetch(`${relay.url}/readyz`)
    expect(response.status).toBe(503)
    return (await response.json()) as Record<string, string>
  })
  expect(readiness).toMatchObject({ status: 'not ready', service: 'stopping' })
  for (const answer of answers) answer()
  expect(await exited).toBe(0)
  const { data } = await site.topic.waitForOutcome(registration.clientId)
  expect(data).toMatchObject({ status: 200, attempts: 1 })
  expect(await site.topic.lag(site.groupId)).toBeLessThanOrEqual(1)
})

test('an attempt that outlasts the drain deadline is given up, parked, and made again after a restart', async () => {
  const relay = await site.startRelay({ DRAIN_MS: '300' })
  let hangs = true
  const backchannelLogoutUri = site.rps.uri('/hangs', (_request, response) => {
    if (!hangs) end(response, 200)
  })
  const registration = site.registration('/hangs', { backchannelLogoutUri })
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  await site.rps.waitFor('/hangs')
  expect(await relay.stop()).toBe(0)
  hangs = false
  await site.startRelay()
  const { headers } = await site.topic.waitForOutcome(registration.clientId)
  expect(headers.ce_type).toBe('backchannel-logout-sent')
  expect(site.rps.at('/hangs')).toHaveLength(2)
})

test('a second signal ends it at once', async () => {
  const relay = await site.startRelay()
  const backchannelLogoutUri = site.rps.uri('/never', () => undefined)
  const registration = site.registration('/never', { backchannelLogoutUri })
  await site.registerInRedis(registration)
  await site.topic.publish(site.terminated(registration))
  await site.rps.waitFor('/never')
  relay.signal('SIGTERM')
  await relay.waitForLog(({ msg }) => msg === 'stopping')
  const startedAtMs = performance.now()
  relay.signal('SIGTERM')
  expect(await relay.exitStatus()).toBe(130)
  expect(performance.now() - startedAtMs).toBeLessThan(6_000)
})
