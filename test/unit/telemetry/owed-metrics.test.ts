import { expect, test } from 'vitest'
import { currentState } from '../../../src/registry/client-history.ts'
import { Metrics } from '../../../src/telemetry/metrics.ts'
import { exportOwed, type OwedState } from '../../../src/telemetry/owed-metrics.ts'
import { knownRelyingParties } from '../delivery/known-relying-parties.ts'
import { manualClock } from '../manual-clock.ts'
import { ISSUER } from '../sample-registration.ts'

test.each([
  ['active', true],
  ['paused', false],
  ['retired', false],
] as const)('the open breaker of an RP that is %s is told: %s', async (state, isTold) => {
  const relyingParties = knownRelyingParties()
  const rp = relyingParties.get(ISSUER, 'dead')
  for (let i = 0; i < 5; i++) rp.breaker.failed()
  rp.state = currentState([{ atMs: 1, state }])
  const metrics = new Metrics()
  exportOwed(metrics, {
    backlog: { sizes: async () => [], earliestDeadlines: async () => [] },
    clock: manualClock(),
    core: { relyingParties, open: { oldestSinceMs: () => undefined } },
    deadlineMs: 1_000,
    issuers: { get: () => undefined },
  } as unknown as OwedState)
  const text = await metrics.registry.metrics()
  for (const name of ['breaker_open', 'breaker_open_seconds'])
    expect(text.includes(`logout_relay_${name}{`), name).toBe(isTold)
})
