import type { Registration } from '../events/registration.ts'
import { MicroBatcher } from '../lib/micro-batcher.ts'
import type { RepeatedStep } from '../lib/repeated-steps.ts'
import type { Backlog, ParkedDelivery } from './backlog.ts'
import type { Delivery } from './delivery.ts'
import { KEPT_MS } from './keep-paused.ts'
import type { OpenDeliveries } from './open-deliveries.ts'

export interface ParkingOptions {
  readonly backlog: Backlog
  readonly open: OpenDeliveries
  readonly parking: RepeatedStep
  /** Its RP has no backlog: it is still on this replica's books. */
  readonly onRefused: (delivery: Delivery) => void
}

interface Parked {
  readonly delivery: Delivery
  readonly dueMs: number
}

const BATCH_MAX = 500

/** Puts deliveries into the backlog, in batches; only when the backlog has them are they off this replica's books. */
export class Parking {
  readonly #batcher: MicroBatcher<Parked>

  constructor({ backlog, onRefused, open, parking }: ParkingOptions) {
    let refused: ReadonlySet<string> = new Set()
    this.#batcher = new MicroBatcher({
      flush: async (items) => {
        refused = await backlog.park(items.flatMap(parkedDeliveries))
      },
      onFlushed: ({ delivery }) =>
        refused.has(delivery.rp.key) ? onRefused(delivery) : open.settle(delivery),
      ...parking,
      maxBatch: BATCH_MAX,
    })
  }

  park(delivery: Delivery, dueMs: number): void {
    this.#batcher.add({ delivery, dueMs })
  }

  idle(): Promise<void> {
    return this.#batcher.idle()
  }

  stop(): void {
    this.#batcher.stop()
  }
}

/** Companions are parked each for itself, and find together again when they are claimed. */
function parkedDeliveries({ delivery, dueMs }: Parked): ParkedDelivery[] {
  const { attempts, doubtful, deadlineMs, lastStatus, lastError, origin, cause } = delivery
  const state = {
    attempts,
    doubtful,
    deadlineMs,
    cause,
    ...(lastStatus !== undefined && { lastStatus }),
    ...(lastError !== undefined && { lastError }),
    ...(origin !== undefined && { origin }),
  }
  const isPaused = delivery.rp.state?.kind === 'paused'
  return [delivery.registration, ...delivery.coalesced].map(
    ({ issuer, sessionId, oidcSessionId }: Registration) => ({
      rpKey: delivery.rp.key,
      issuer,
      sessionId,
      oidcSessionId,
      dueMs,
      ...(isPaused && { keptUntilMs: dueMs + KEPT_MS }),
      state,
    }),
  )
}
