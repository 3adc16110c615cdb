import { planDeliveries } from '../../../src/delivery/resolve.ts'
import { sampleOrigin, sampleRegistration } from '../sample-registration.ts'
import { knownRelyingParties } from './known-relying-parties.ts'

/** What a relay does for each batch of triggers, as often as V8 needs to optimize it: each of a few RPs is met once, and then again and again. */
const relyingParties = knownRelyingParties()
const cause = { origin: sampleOrigin({}), occurredAtMs: 0, everywhere: false }
const owed = Array.from({ length: 100 }, (_, i) => ({
  registration: sampleRegistration({ clientId: `rp-${i % 10}` }),
  cause,
  deadlineMs: 1_000,
}))
for (let round = 0; round < 20_000; round++)
  for (const { rp } of planDeliveries(owed, relyingParties)) {
    rp.settings = { alg: 'RS256' }
    rp.movedAtMs = round + 0.5
    rp.pace.ended(round + 0.5)
  }
