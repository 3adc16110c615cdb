import { afterEach, beforeEach, expect, test } from 'vitest'
import { registerSessions } from '../support/delivery-ledger.ts'
import { eventually } from '../support/eventually.ts'
import { type Ledger, startLedger } from '../support/ledger/ledger.ts'
import { readMetric } from '../support/relay-metrics.ts'
import { ISSUER, type RelaySite } from '../support/relay-site.ts'
import { openSite } from './open-site.ts'

const RPS = 6
const SESSIONS = 150
const DEAD = 0

let site: RelaySite
let ledger: Ledger

beforeEach(async () => {
  site = await openSite({
    env: { ATTEMPT_TIMEOUT_MS: '1500', BREAKER_COOLDOWN_MS: '200', BREAKER_MAX_COOLDOWN_MS: '400' },
  })
  ledger = await startLedger({ origins: RPS, verify: 'all', jwks: site.publicJwks(), issuer: ISSUER })
})
afterEach(async () => {
  await ledger.stop()
  await site.close()
})

test.each(['hang', 'refuse', 'reset'] as const)(
  'an RP that will %s costs the others nothing, its backlog no attempts, and is told of everything when it is back',
  async (mode) => {
    const work = await registerSessions(site, ledger, SESSIONS)
    await ledger.behave({ kind: mode }, [DEAD])
    const relay = await site.startRelay()
    await site.topic.publish(...work.sessionIds.map((sessionId) => site.terminated({ sessionId })))
    await ledger.waitFor({ distinctMin: SESSIONS * (RPS - 1) })
    await eventually(async () => expect(await site.topic.lag(site.groupId)).toBe(0))
    const clientId = ledger.relyingParties[DEAD]?.clientId ?? ''
    await eventually(async () =>
      expect(await readMetric(relay, 'breaker_open', { client_id: clientId })).toBe(1),
    )
    // For whichever reason: on a slow machine all that waits is parked for a stall before the breaker opens.
    expect(await readMetric(relay, 'parked_total')).toBeGreaterThan(0)
    const attempts = await readMetric(relay, 'attempts_total')
    expect(attempts - SESSIONS * (RPS - 1)).toBeLessThan(SESSIONS)

    await ledger.behave({ kind: 'answer', status: 200 }, [DEAD])
    await ledger.waitFor({ distinctMin: SESSIONS * RPS })
    await eventually(async () => expect(await site.redisKeys('backlog*')).toEqual([]))
    expect(await readMetric(relay, 'breaker_open', { client_id: clientId })).toBe(0)
    const outcomes = await eventually(() => {
      expect(site.topic.outcomes).toHaveLength(SESSIONS * RPS)
      return site.topic.outcomes
    })
    expect(outcomes.every(({ headers }) => headers.ce_type === 'backchannel-logout-sent')).toBe(true)
  },
)
