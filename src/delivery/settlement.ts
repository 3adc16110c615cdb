import type { Outcome, OutcomeSubject } from '../events/outcome.ts'
import type { Clock } from '../lib/clock.ts'
import { MicroBatcher } from '../lib/micro-batcher.ts'
import type { RepeatedStep } from '../lib/repeated-steps.ts'
import type { RegistrationKey, Registry } from '../registry/registry.ts'
import type { Transport } from '../transports/transport.ts'
import type { Backlog, ParkedName } from './backlog.ts'
import type { DeliveryCause } from './delivery.ts'
import type { OutcomeLog } from './outcome-log.ts'
import { outcomeRecord } from './outcome-record.ts'
import { PendingOutcomes, type Unpublished } from './pending-outcomes.ts'

export interface SettlementOptions {
  readonly log: OutcomeLog
  readonly outcomeTopic: string
  readonly outcomeTypes: Transport['outcomeTypes']
  readonly registry: Registry
  readonly backlog: Backlog
  readonly clock: Clock
  readonly publishing: RepeatedStep
  readonly removing: RepeatedStep
  /** Once per batch, with the time that its oldest outcome took. Milliseconds. */
  readonly onPublished: (ms: number) => void
}

/** One outcome to be made final. */
export interface Settling {
  readonly outcome: Outcome
  readonly subject: OutcomeSubject
  readonly cause: DeliveryCause
  /** Set when the delivery stands in a backlog. */
  readonly parked?: ParkedName
  /** Called when nothing is owed any more: the outcome is durable and the registration gone. */
  readonly done: () => void
}

const PUBLISH_BATCH_MAX = 1_000
const REGISTRY_BATCH_MAX = 500

/**
 * Makes outcomes final, in the only safe order: publish, and when Kafka has acknowledged, remove the registration.
 * A crash in between repeats the outcome under the same id; the other order would lose it. Both steps are batched
 * over all deliveries, one request in flight each, and are repeated until they succeed. While the log takes nothing,
 * the registry is told what is to be published.
 */
export class Settlement {
  readonly #publish: MicroBatcher<Unpublished>
  readonly #remove: MicroBatcher<Settling>
  readonly #pending: PendingOutcomes
  readonly #options: SettlementOptions

  constructor(options: SettlementOptions) {
    const { log, registry, backlog, clock } = options
    this.#options = options
    this.#remove = new MicroBatcher({
      flush: async (items) => {
        await registry.settle(items.map(({ subject }) => subject as RegistrationKey))
        // Only then: a parked delivery without a registration is dropped, one without a place here would be lost.
        const parked = items.flatMap((item) => item.parked ?? [])
        if (parked.length > 0) await backlog.remove(parked)
      },
      onFlushed: (item) => item.done(),
      ...options.removing,
      maxBatch: REGISTRY_BATCH_MAX,
    })
    this.#publish = new MicroBatcher({
      flush: async (items) => {
        // Made here and not when it is added: a queue of records is several times the size of what they are made of.
        const records = items.map(({ settling: { outcome, subject, cause } }) =>
          outcomeRecord(options.outcomeTopic, outcome, subject, cause, options.outcomeTypes),
        )
        await log.append(records)
        options.onPublished(clock.monotonic() - (items[0]?.sinceMs ?? 0))
      },
      onFlushed: ({ settling }) => this.#remove.add(settling),
      onRecovered: options.publishing.onRecovered,
      onError: (error, failures) => {
        options.publishing.onError(error, failures)
        this.#pending.note()
      },
      maxBatch: PUBLISH_BATCH_MAX,
    })
    this.#pending = new PendingOutcomes({ clock, registry, unpublished: () => this.#publish.unflushed() })
  }

  /** Outcomes that are not final yet. */
  get size(): number {
    return this.#publish.size + this.#remove.size
  }

  add(settling: Settling): void {
    this.#publish.add({ settling, sinceMs: this.#options.clock.monotonic(), isNoted: false })
    this.#pending.watch()
  }

  /** Resolves when everything added so far is final. */
  async idle(): Promise<void> {
    await this.#publish.idle()
    await this.#remove.idle()
  }

  stop(): void {
    this.#publish.stop()
    this.#remove.stop()
    this.#pending.stop()
  }
}
