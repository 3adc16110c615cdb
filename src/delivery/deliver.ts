import type { EgressGuard } from '../egress/egress-guard.ts'
import type { AttemptResult, Sender } from '../egress/sender.ts'
import type { Outcome } from '../events/outcome.ts'
import type { Clock } from '../lib/clock.ts'
import type { PendingOutcome } from '../registry/registry.ts'
import type { Prepared, Transport } from '../transports/transport.ts'
import { NO_BACKLOG } from './backlog.ts'
import type { ClientPolicy } from './client-policy.ts'
import { deadlineOf } from './deadline.ts'
import type { Delivery } from './delivery.ts'
import type { DeliveryEnd } from './delivery-end.ts'
import type { AttemptReport, DeliveryEvents } from './delivery-events.ts'
import type { DeliveryIssuers } from './delivery-issuers.ts'
import type { DeliveryTracing } from './delivery-tracing.ts'
import { errorText } from './error-text.ts'
import type { Parking } from './parking.ts'
import { isStopped, type RelyingParty } from './relying-party.ts'
import { isProbe, remember, rememberPace } from './remember-attempt.ts'
import { type RetryContext, type RetryPolicy, retryAfterMs } from './retry-policy.ts'

export interface DelivererOptions {
  /** Of every attempt that is no probe. Milliseconds. */
  readonly attemptTimeoutMs: number
  readonly clients: ClientPolicy
  readonly clock: Clock
  readonly end: DeliveryEnd
  readonly events: DeliveryEvents
  readonly issuers: DeliveryIssuers
  readonly parking: Parking
  readonly retryPolicy: RetryPolicy
  /** A longer `Retry-After` is cut to that. Milliseconds. */
  readonly retryAfterMaxMs: number
  readonly sender: Sender
  readonly tracing?: DeliveryTracing | undefined
  readonly transport: Transport
  /** Gives the attempt's place to the next one; `didAnswer` is left out when nothing was sent. */
  readonly release: (delivery: Delivery, didAnswer?: boolean) => void
  /** Keeps a delivery whose RP is paused. */
  readonly pause: (delivery: Delivery) => void
  /** Nothing is sent to the RP for a while. */
  readonly onBreakerOpened: (rp: RelyingParty) => void
}

const RETIRED = 'its client is retired'
export const NO_URI =
  'neither its registration nor its client (lr:client, ISSUERS_FILE) has a backchannelLogoutUri'

/** Until an attempt that could not be begun for want of something on this side is begun again, on average. */
const LOCAL_RETRY_MS = 1_000

/**
 * One attempt and what follows from it: prepare, POST, judge, then settle, park or send again. All branching of the
 * delivery stands here. Callbacks and not promises, because this runs for every attempt of a mass logout.
 */
export class Deliverer {
  readonly #options: DelivererOptions

  constructor(options: DelivererOptions) {
    this.#options = options
  }

  attempt(delivery: Delivery): void {
    const { clock, issuers, transport } = this.#options
    const now = clock.now()
    if (delivery.rp.state !== undefined && this.#stopsFor(delivery)) return
    if (now >= deadlineOf(delivery, issuers)) {
      this.#options.release(delivery)
      this.#fail(delivery, 'expired')
      return
    }
    const issuer = issuers.get(delivery.rp.issuer)
    if (issuer?.isEnabled !== true) {
      this.#putOff(delivery, `issuer ${delivery.rp.issuer} is not configured here`)
      return
    }
    if (issuer.isMisnamed) {
      this.#putOff(delivery, `the metadata of ${delivery.rp.issuer} name another issuer`)
      return
    }
    transport.prepare(delivery, now, (prepared) => this.#post(delivery, prepared, issuer.egress))
  }

  #post(delivery: Delivery, prepared: Prepared, egress: EgressGuard): void {
    const { attemptTimeoutMs, clients, sender, tracing, transport } = this.#options
    if (prepared.kind === 'invalid') {
      this.#options.release(delivery)
      this.#fail(delivery, 'invalid', prepared.message)
      return
    }
    if (prepared.kind === 'unready') {
      this.#putOff(delivery, prepared.message)
      return
    }
    const { jti, headers, body } = prepared
    const endpoint = clients.endpoint(delivery)
    if (endpoint === undefined) {
      this.#options.release(delivery)
      this.#fail(delivery, 'invalid', NO_URI)
      return
    }
    delivery.origin = endpoint.origin
    const refusal = clients.refusal(delivery.rp, endpoint)
    if (refusal !== undefined) {
      this.#judge(delivery, jti, { kind: 'blocked', message: refusal }, 0)
      return
    }
    const startedAtMs = performance.now()
    const span = tracing?.attempting(delivery, endpoint)
    const { traceparent, tracestate } = span?.context ?? delivery.cause
    const probeTimeoutMs = isProbe(delivery) ? delivery.rp.probeTimeout.next(attemptTimeoutMs) : undefined
    const request = { endpoint, egress, headers, body, traceparent, tracestate, probeTimeoutMs }
    sender.send(request, (result) => {
      const durationMs = performance.now() - startedAtMs
      span?.end(result, transport.judge(result))
      if (result.kind === 'blocked') clients.blocked(delivery, endpoint, result.message)
      this.#judge(delivery, jti, result, durationMs)
    })
  }

  /** An attempt was to begin, and the RP has been paused or retired since. */
  #stopsFor(delivery: Delivery): boolean {
    if (!isStopped(delivery)) return false
    this.#options.release(delivery)
    if (delivery.rp.state?.kind === 'retired') this.retire(delivery)
    else this.#options.pause(delivery)
    return true
  }

  /** Ends a delivery whose RP is retired; no attempt of it is under way. */
  retire(delivery: Delivery): void {
    const { lastError } = delivery
    this.#fail(delivery, 'retired', lastError === undefined ? RETIRED : `${RETIRED}; last: ${lastError}`)
  }

  /** For want of something on this side nothing was attempted, and nothing is known of the RP. */
  #putOff(delivery: Delivery, why: string): void {
    const { clock, parking, release } = this.#options
    delivery.lastError = errorText('not attempted', why)
    release(delivery)
    parking.park(delivery, clock.now() + Math.ceil(LOCAL_RETRY_MS * (0.5 + clock.random())))
  }

  /** Ends a delivery whose deadline passed while it waited; no attempt of it is under way. */
  expire(delivery: Delivery): void {
    this.#fail(delivery, 'expired')
  }

  /** Ends a delivery that must be parked and cannot be. */
  abandon(delivery: Delivery): void {
    const { lastError } = delivery
    this.#fail(
      delivery,
      'invalid',
      lastError === undefined ? NO_BACKLOG : `${NO_BACKLOG}; last: ${lastError}`,
    )
  }

  /**
   * Publishes what another attempt of this delivery came to, which did not get onto the log then. It was counted by
   * whoever made that attempt.
   */
  conclude(delivery: Delivery, { outcome, ...trigger }: PendingOutcome): void {
    this.#options.end.conclude(delivery, outcome, { ...trigger, everywhere: false })
  }

  #judge(delivery: Delivery, jti: string, result: AttemptResult, durationMs: number): void {
    const { clock, events, transport } = this.#options
    const verdict = transport.judge(result)
    const report = { delivery, attemptNumber: delivery.attempts + 1, jti, result, verdict, durationMs }
    if (result.kind === 'unreachable' && result.staleConnection && !delivery.wasResent) {
      // OIDC BCL 1.0 §2.5: an error that is likely recoverable. The RP never saw the token, so nothing is counted.
      delivery.wasResent = true
      events.attempted({ ...report, next: 'resend' })
      this.attempt(delivery)
      return
    }
    delivery.wasResent = false
    if (verdict === 'local') {
      // Nobody is charged with it: no attempt was made, and nothing is known of the RP.
      const retryDueMs = clock.now() + Math.ceil(LOCAL_RETRY_MS * (0.5 + clock.random()))
      this.#options.release(delivery)
      events.attempted({ ...report, next: { retryDueMs } })
      this.#options.parking.park(delivery, retryDueMs)
      return
    }
    const isExcused = verdict === 'doubtful' && this.#isUnverifiable(delivery)
    if (!isExcused) delivery.attempts++
    remember(delivery, result)
    rememberPace(report)
    this.#tellBreaker(report)
    this.#options.release(delivery, result.kind === 'answered')
    switch (verdict) {
      case 'sent':
        events.attempted({ ...report, next: 'none' })
        this.#options.end.settle(delivery, {
          kind: 'sent',
          jti,
          attempts: delivery.attempts,
          status: delivery.lastStatus ?? 0,
          ...(delivery.origin !== undefined && { origin: delivery.origin }),
        })
        return
      case 'rejected':
        events.attempted({ ...report, next: 'none' })
        this.#fail(delivery, verdict, delivery.lastError, jti)
        return
      case 'retry':
      case 'blocked':
      case 'doubtful': {
        if (verdict !== 'retry' && !isExcused) delivery.doubtful++
        const decision = this.#decide(delivery, isExcused ? 'excused' : verdict, result)
        if (decision.kind === 'give-up') {
          events.attempted({ ...report, next: 'none' })
          this.#fail(delivery, decision.reason, delivery.lastError, jti)
          return
        }
        events.attempted({ ...report, next: { retryDueMs: decision.dueMs } })
        this.#options.parking.park(delivery, decision.dueMs)
        return
      }
      default:
        verdict satisfies never
    }
  }

  /** Any answer shows that the RP is there; what the guard blocked never reached it. */
  #tellBreaker({ delivery, verdict, result, durationMs }: Omit<AttemptReport, 'next'>): void {
    const { clock, events, onBreakerOpened, retryAfterMaxMs } = this.#options
    const { rp } = delivery
    if (verdict === 'blocked') return
    if (verdict !== 'retry') {
      if (rp.breaker.succeeded()) events.breakerClosed(rp)
      return
    }
    // An RP that says when it will be back is not probed before.
    const askedMs = Math.min(retryAfterMs(retryAfterOf(result), clock.now()), retryAfterMaxMs)
    if (!rp.breaker.failed({ isProbe: isProbe(delivery), tookMs: durationMs, askedMs })) return
    events.breakerOpened(rp, rp.breaker.openUntilMs - clock.now())
    onBreakerOpened(rp)
  }

  /** An RP that cannot find the key refuses whatever it gets: such an attempt uses up nothing but time. */
  #isUnverifiable({ registration, rp }: Delivery): boolean {
    const alg = rp.settings.alg ?? registration.alg
    return this.#options.issuers.get(rp.issuer)?.isUnverifiable(alg) === true
  }

  #decide(delivery: Delivery, verdict: RetryContext['verdict'], result: AttemptResult) {
    const issuer = this.#options.issuers.get(delivery.rp.issuer)
    return this.#options.retryPolicy({
      verdict,
      attempts: delivery.attempts,
      doubtful: delivery.doubtful,
      deadlineMs: deadlineOf(delivery, this.#options.issuers),
      timeMs: issuer?.deadlineMs ?? 0,
      own: issuer?.retry,
      retryAfter: retryAfterOf(result),
      openUntilMs: delivery.rp.breaker.openUntilMs,
    })
  }

  #fail(
    delivery: Delivery,
    reason: Extract<Outcome, { kind: 'failed' }>['reason'],
    error = delivery.lastError,
    jti?: string,
  ): void {
    this.#options.end.settle(delivery, {
      kind: 'failed',
      reason,
      attempts: delivery.attempts,
      ...(jti !== undefined && { jti }),
      ...(delivery.lastStatus !== undefined && { lastStatus: delivery.lastStatus }),
      ...(error !== undefined && { lastError: error }),
      ...(delivery.origin !== undefined && { origin: delivery.origin }),
    })
  }
}

function retryAfterOf(result: AttemptResult): string | undefined {
  return result.kind === 'answered' ? result.retryAfter : undefined
}
