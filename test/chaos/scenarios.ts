import type { Scenario } from './scenario.ts'
import { killedRelays } from './scenarios/killed-relays.ts'

/** In the order in which they run: those on one broker first, because a cluster of three takes its time to start. */
export const scenarios: readonly Scenario[] = [killedRelays]
