import type { Sender } from '../egress/sender.ts'
import { ShadowSender } from '../egress/shadow-sender.ts'
import { shadowedOf } from '../events/outcome.ts'
import type { Clock } from '../lib/clock.ts'
import { RepeatedSteps } from '../lib/repeated-steps.ts'
import type { Registry } from '../registry/registry.ts'
import type { RpSettingsStore } from '../registry/rp-settings.ts'
import type { Transport } from '../transports/transport.ts'
import { Admission } from './admission.ts'
import type { Backlog } from './backlog.ts'
import { BacklogLoop } from './backlog-loop.ts'
import type { BreakerPolicy } from './breaker.ts'
import type { ClientPolicy } from './client-policy.ts'
import type { ClientStates } from './client-states.ts'
import { deadlineOf } from './deadline.ts'
import { Deliverer } from './deliver.ts'
import type { Delivery } from './delivery.ts'
import { DeliveryEnd } from './delivery-end.ts'
import type { DeliveryEvents } from './delivery-events.ts'
import type { DeliveryIssuers } from './delivery-issuers.ts'
import type { DeliveryTracing } from './delivery-tracing.ts'
import { Dispatcher } from './dispatcher.ts'
import { OpenDeliveries } from './open-deliveries.ts'
import type { OutcomeLog } from './outcome-log.ts'
import { Parking } from './parking.ts'
import { RelyingParties } from './relying-party.ts'
import { type RetryPolicyOptions, retryPolicy } from './retry-policy.ts'
import { RpSettingsCache } from './rp-settings-cache.ts'
import { Settlement } from './settlement.ts'
import { ShadowDeliverer } from './shadow-deliverer.ts'
import { Stranded } from './stranded.ts'

/** What an operator may choose. */
export interface DeliveryOptions {
  /** From connecting to the end of the answer. Milliseconds. */
  readonly attemptTimeoutMs: number
  readonly breaker: BreakerPolicy
  /** The age of a trigger from which its logouts are late. Milliseconds. */
  readonly lateAfterMs: number
  /** How long a replica holds a parked delivery that it took up. Milliseconds. */
  readonly leaseMs: number
  readonly maxInFlight: number
  readonly maxInFlightPerRp: number
  /** Deliveries in memory. */
  readonly maxUnsettled: number
  /** How often the backlog is looked at. Milliseconds. */
  readonly pollMs: number
  readonly retry: RetryPolicyOptions
}

export interface DeliveryCoreOptions extends DeliveryOptions {
  readonly clock: Clock
  readonly clients: ClientPolicy
  readonly events: DeliveryEvents & {
    published(sinceMs: number): void
    fault(part: string, error: unknown, failures?: number): void
  }
  /** While the store is not proved nothing is claimed: what it holds may be settled, and what is gone may be owed. */
  readonly guard: { readonly isIntact: boolean }
  /** While it is closed nothing is claimed. */
  readonly clear?: { readonly isOpen: boolean } | undefined
  readonly log: OutcomeLog
  readonly outcomeTopic: string
  readonly registry: Registry
  readonly backlog: Backlog
  readonly settingsStore: RpSettingsStore
  /** Which clients are paused or retired. */
  readonly states?: ClientStates
  /** Where it is told which steps are being repeated. */
  readonly repeats?: RepeatedSteps | undefined
  /** With a shadow sender no RP is called, and every outcome says what would have been. */
  readonly sender: Sender | ShadowSender
  readonly tracing?: DeliveryTracing | undefined
  readonly transport: Transport
  readonly issuers: DeliveryIssuers
}

const LOOK_EVERY_MS = 50
/** Longer than the time-out of most probes: they must not pile up where cool-downs are short. */
const PROBE_ALONE_MS_MIN = 2_000

/** The parts of the delivery, put together: what is admitted here ends in an outcome, or in the backlog. */
export class DeliveryCore {
  readonly admission: Admission
  readonly backlogLoop: BacklogLoop
  readonly dispatcher: Dispatcher
  readonly open: OpenDeliveries
  readonly parking: Parking
  readonly relyingParties: RelyingParties
  readonly settings: RpSettingsCache
  readonly settlement: Settlement
  readonly stranded: Stranded
  readonly #options: DeliveryCoreOptions
  readonly #timer = setInterval(() => {
    this.dispatcher.look()
    this.stranded.submit()
  }, LOOK_EVERY_MS).unref()

  constructor(options: DeliveryCoreOptions) {
    const { backlog, clock, events, guard, log, registry, sender, settingsStore, transport } = options
    const { attemptTimeoutMs, breaker, leaseMs, maxInFlight, maxInFlightPerRp, maxUnsettled, retry } = options
    const { repeats = new RepeatedSteps(clock) } = options
    const redisFault = (error: unknown, failures: number) => events.fault('redis', error, failures)
    this.#options = options
    this.relyingParties = new RelyingParties(breaker, clock, options.states)
    this.open = new OpenDeliveries(maxUnsettled, () => this.backlogLoop.wake())
    this.settings = new RpSettingsCache(settingsStore, clock, options.issuers)
    this.parking = new Parking({
      backlog,
      open: this.open,
      onRefused: (delivery) => this.stranded.take(delivery),
      parking: repeats.step('parking', 'parking deliveries', redisFault),
    })
    this.settlement = new Settlement({
      backlog,
      clock,
      log,
      registry,
      outcomeTopic: options.outcomeTopic,
      outcomeTypes: transport.outcomeTypes,
      onPublished: (ms) => events.published(ms),
      publishing: repeats.step('outcomes', 'publishing outcomes', (error, failures) =>
        events.fault('kafka-publish', error, failures),
      ),
      removing: repeats.step('removal', 'removing settled registrations', redisFault),
    })
    const end = new DeliveryEnd({ clock, events, open: this.open, settlement: this.settlement })
    const attempting = {
      clock,
      end,
      transport,
      clients: options.clients,
      issuers: options.issuers,
      release: (delivery: Delivery, didAnswer?: boolean) => this.dispatcher.release(delivery, didAnswer),
    }
    const deliverer =
      sender instanceof ShadowSender
        ? new ShadowDeliverer({ ...attempting, sender })
        : new Deliverer({
            ...attempting,
            events,
            sender,
            tracing: options.tracing,
            parking: this.parking,
            attemptTimeoutMs,
            retryAfterMaxMs: retry.retryAfterMaxMs,
            pause: (delivery) => this.admission.park(delivery),
            onBreakerOpened: (rp) => this.dispatcher.shed(rp),
            retryPolicy: retryPolicy(retry, clock),
          })
    this.dispatcher = new Dispatcher({
      clock,
      probeAloneMs: Math.max(breaker.cooldownMaxMs, PROBE_ALONE_MS_MIN),
      claimsPerPlace: leaseMs > 2 * attemptTimeoutMs ? 2 : 1,
      maxInFlight,
      maxInFlightPerRp,
      shares: this.relyingParties.shares,
      maxWaiting: maxUnsettled,
      freePlaces: () => this.open.places,
      start: (delivery) => deliverer.attempt(delivery),
      onAside: (delivery) => this.open.setAside(delivery),
      onRoom: () => this.backlogLoop.wake(),
      onShed: (deliveries) => {
        for (const delivery of deliveries) this.admission.park(delivery)
      },
    })
    this.stranded = new Stranded({
      abandon: (delivery) => deliverer.abandon(delivery),
      dispatcher: this.dispatcher,
      open: this.open,
    })
    this.admission = new Admission({
      attemptTimeoutMs,
      backlog,
      leaseMs,
      conclude: (delivery, pending) => deliverer.conclude(delivery, pending),
      deadlineOf: (delivery) => deadlineOf(delivery, options.issuers),
      expire: (delivery) => deliverer.expire(delivery),
      retire: (delivery) => deliverer.retire(delivery),
      lateAfterMs: options.lateAfterMs,
      outcomeOf: sender instanceof ShadowSender ? shadowedOf : (failed) => failed,
      clock,
      events,
      dispatcher: this.dispatcher,
      open: this.open,
      parking: this.parking,
      registry,
      relyingParties: this.relyingParties,
      settlement: this.settlement,
    })
    this.backlogLoop = new BacklogLoop({
      backlog,
      clock,
      guard,
      clear: options.clear,
      registry,
      admission: this.admission,
      dispatcher: this.dispatcher,
      open: this.open,
      relyingParties: this.relyingParties,
      settings: this.settings,
      leaseMs,
      pollMs: options.pollMs,
      issuers: options.issuers,
      claiming: repeats.step('backlog', 'claiming parked deliveries', redisFault),
    })
  }

  /** What waits for its turn goes into the backlog; resolves when that is safe there. */
  async parkWaiting(): Promise<void> {
    const { clock, events } = this.#options
    const now = clock.now()
    this.stranded.stop()
    for (const delivery of this.dispatcher.stop(this.relyingParties)) {
      events.parked(delivery, 'draining', now)
      this.parking.park(delivery, now)
    }
    await this.parking.idle()
  }

  /** Gives up what is not final; the log and the leases bring it again. */
  stop(): void {
    clearInterval(this.#timer)
    this.parking.stop()
    this.settlement.stop()
  }
}
