import type { Config } from '../config/env.ts'
import type { Sender } from '../egress/sender.ts'
import type { Clock } from '../lib/clock.ts'
import { RepeatedSteps } from '../lib/repeated-steps.ts'
import type { Registry } from '../registry/registry.ts'
import type { RpSettingsStore } from '../registry/rp-settings.ts'
import type { Transport } from '../transports/transport.ts'
import { Admission } from './admission.ts'
import type { Backlog } from './backlog.ts'
import { BacklogLoop } from './backlog-loop.ts'
import type { ClientPolicy } from './client-policy.ts'
import { Deliverer } from './deliver.ts'
import type { DeliveryEvents } from './delivery-events.ts'
import type { DeliveryTracing } from './delivery-tracing.ts'
import { Dispatcher } from './dispatcher.ts'
import { OpenDeliveries } from './open-deliveries.ts'
import type { OutcomeLog } from './outcome-log.ts'
import { Parking } from './parking.ts'
import { RelyingParties } from './relying-party.ts'
import { retryPolicy } from './retry-policy.ts'
import { RpSettingsCache } from './rp-settings-cache.ts'
import { Settlement } from './settlement.ts'
import { Stranded } from './stranded.ts'

export interface DeliveryCoreOptions {
  readonly config: Config
  readonly clock: Clock
  readonly clients: ClientPolicy
  readonly events: DeliveryEvents & {
    published(sinceMs: number): void
    fault(part: string, error: unknown, failures?: number): void
  }
  /** While the store is not proved nothing is claimed: what it holds may be settled, and what is gone may be owed. */
  readonly guard: { readonly isIntact: boolean }
  readonly log: OutcomeLog
  readonly registry: Registry
  readonly backlog: Backlog
  readonly settingsStore: RpSettingsStore
  /** Where it is told which steps are being repeated. */
  readonly repeats?: RepeatedSteps | undefined
  readonly sender: Sender
  readonly tracing?: DeliveryTracing | undefined
  readonly transport: Transport
  readonly issuers: { has(issuer: string): boolean }
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
    const { backlog, clock, config, events, guard, log, registry, sender, settingsStore, transport } = options
    const { repeats = new RepeatedSteps(clock) } = options
    const redisFault = (error: unknown, failures: number) => events.fault('redis', error, failures)
    this.#options = options
    this.relyingParties = new RelyingParties(
      {
        failures: config.BREAKER_FAILURES,
        cooldownMs: config.BREAKER_COOLDOWN_MS,
        cooldownMaxMs: config.BREAKER_MAX_COOLDOWN_MS,
      },
      clock,
    )
    this.open = new OpenDeliveries(config.MAX_UNSETTLED, () => this.backlogLoop.wake())
    this.settings = new RpSettingsCache(settingsStore, clock)
    this.parking = new Parking({
      backlog,
      open: this.open,
      onRefused: (delivery) => this.stranded.take(delivery),
      parking: repeats.step('parking', 'putting deliveries into the backlog', redisFault),
    })
    this.settlement = new Settlement({
      backlog,
      clock,
      log,
      registry,
      outcomeTopic: config.KAFKA_OUTCOME_TOPIC,
      outcomeTypes: transport.outcomeTypes,
      onPublished: (ms) => events.published(ms),
      publishing: repeats.step('outcomes', 'publishing outcomes', (error, failures) =>
        events.fault('kafka-publish', error, failures),
      ),
      removing: repeats.step('removal', 'removing what is settled', redisFault),
    })
    const deliverer = new Deliverer({
      clock,
      clients: options.clients,
      events,
      sender,
      transport,
      tracing: options.tracing,
      open: this.open,
      parking: this.parking,
      settlement: this.settlement,
      attemptTimeoutMs: config.ATTEMPT_TIMEOUT_MS,
      retryAfterMaxMs: config.RETRY_AFTER_MAX_MS,
      onBreakerOpened: (rp) => this.dispatcher.shed(rp),
      release: (delivery, didAnswer) => this.dispatcher.release(delivery, didAnswer),
      retryPolicy: retryPolicy(
        {
          baseDelayMs: config.RETRY_BASE_DELAY_MS,
          maxDelayMs: config.RETRY_MAX_DELAY_MS,
          maxAttempts: config.RETRY_MAX_ATTEMPTS,
          deadlineMs: config.RETRY_DEADLINE_MS,
          doubtfulDelaysMs: config.RETRY_DOUBTFUL_DELAYS_MS,
          retryAfterMaxMs: config.RETRY_AFTER_MAX_MS,
        },
        clock,
      ),
    })
    this.dispatcher = new Dispatcher({
      clock,
      probeAloneMs: Math.max(config.BREAKER_MAX_COOLDOWN_MS, PROBE_ALONE_MS_MIN),
      claimsPerPlace: config.RETRY_LEASE_MS > 2 * config.ATTEMPT_TIMEOUT_MS ? 2 : 1,
      maxInFlight: config.MAX_IN_FLIGHT,
      maxInFlightPerRp: config.MAX_IN_FLIGHT_PER_RP,
      maxWaiting: config.MAX_UNSETTLED,
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
      attemptTimeoutMs: config.ATTEMPT_TIMEOUT_MS,
      backlog,
      leaseMs: config.RETRY_LEASE_MS,
      conclude: (delivery, pending) => deliverer.conclude(delivery, pending),
      expire: (delivery) => deliverer.expire(delivery),
      lateAfterMs: config.RETRY_DEADLINE_MS,
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
      registry,
      admission: this.admission,
      dispatcher: this.dispatcher,
      open: this.open,
      relyingParties: this.relyingParties,
      settings: this.settings,
      deadlineMs: config.RETRY_DEADLINE_MS,
      leaseMs: config.RETRY_LEASE_MS,
      pollMs: config.RETRY_POLL_MS,
      isServedIssuer: (issuer) => options.issuers.has(issuer),
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
