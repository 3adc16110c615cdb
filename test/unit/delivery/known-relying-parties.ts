import { RelyingParties } from '../../../src/delivery/relying-party.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { manualClock } from '../manual-clock.ts'

/** RPs whose breakers open after five failures in a row, for a second, and eight at most. */
export function knownRelyingParties(clock: Clock = manualClock()): RelyingParties {
  return new RelyingParties({ failures: 5, cooldownMs: 1_000, cooldownMaxMs: 8_000 }, clock)
}
