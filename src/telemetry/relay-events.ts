import type { Delivery, DeliveryCause } from '../delivery/delivery.ts'
import type { AttemptReport, DeliveryEvents, ParkReason } from '../delivery/delivery-events.ts'
import type { OutgoingRecord } from '../delivery/outcome-log.ts'
import type { RelyingParty } from '../delivery/relying-party.ts'
import type { CheckedPart, CheckupEvents } from '../diagnosis/checkup.ts'
import type { Finding, Severity } from '../diagnosis/finding.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import type { KnownType } from '../events/decoding/known-types.ts'
import type { Outcome, OutcomeSubject } from '../events/outcome.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { FetchGap } from '../intake/assignment.ts'
import type { IntakeEvents, IntakeResult } from '../intake/intake-events.ts'
import type { PassedPosition } from '../intake/log-edges.ts'
import type { Clock } from '../lib/clock.ts'
import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'
import { RecentWords } from '../lib/recent-words.ts'
import type { RebuildProgress } from '../recovery/missing-from-log.ts'
import { RecentFailures } from '../status/recent-failures.ts'
import { acceptedAttemptLine } from './attempt-line.ts'
import type { Log, Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

const levels = {
  error: 'error',
  warning: 'warn',
  hint: 'info',
  ok: 'debug',
  unknown: 'debug',
} as const satisfies Record<Severity, string>

const passedTexts: Partial<Record<PassedPosition['why'], string>> = {
  forgotten: 'its position is lost: reading starts as at a first start',
  lacked: 'Redis fell behind, and the topic no longer holds all records that it lacks',
}

/** What the service says about itself: each event becomes its counters and its log line, here and nowhere else. */
export class RelayEvents implements CheckupEvents, DeliveryEvents, IntakeEvents {
  readonly #log: Logger
  readonly #metrics: Metrics
  readonly #clock: Clock
  readonly #stream: Log['stream']
  readonly #logsAccepted: boolean
  readonly #onFault: (part: string) => void
  readonly #failures: RecentFailures
  readonly #faults = new RecentWords()

  constructor(
    { logger, stream }: Log,
    metrics: Metrics,
    clock: Clock,
    onFault: (part: string) => void = () => undefined,
    failures = new RecentFailures(clock),
  ) {
    this.#log = logger
    this.#stream = stream
    this.#logsAccepted = logger.isLevelEnabled('info')
    this.#metrics = metrics
    this.#clock = clock
    this.#onFault = onFault
    this.#failures = failures
  }

  attempted(report: AttemptReport): void {
    const { delivery, attemptNumber, jti, result, verdict, durationMs, next } = report
    this.#metrics.attempts[verdict].count++
    this.#metrics.attemptDuration.add(durationMs / 1_000)
    if (verdict === 'sent') {
      if (this.#logsAccepted) this.#stream.write(acceptedAttemptLine(report))
      return
    }
    if (verdict !== 'local') this.#failures.attemptFailed(delivery)
    const { registration, cause } = delivery
    this.#log.warn(
      {
        trigger: cause.origin.id,
        session: registration.sessionId,
        client: registration.clientId,
        attemptNumber,
        verdict,
        durationMs: Math.round(durationMs),
        jti,
        status: result.kind === 'answered' ? result.status : undefined,
        origin: delivery.origin,
        error:
          verdict === 'local' || delivery.lastError === undefined
            ? result.kind === 'unreachable'
              ? result.code
              : undefined
            : delivery.lastError,
        next: typeof next === 'string' ? next : { retryInMs: next.retryDueMs - this.#clock.now() },
      },
      'attempt',
    )
  }

  settled(outcome: Outcome, subject: OutcomeSubject, cause: DeliveryCause): void {
    if (outcome.kind === 'sent') {
      this.#metrics.sent.count++
      this.#metrics.triggerToSent.add(Math.max(this.#clock.now() - cause.occurredAtMs, 0) / 1_000)
      return
    }
    const { attempts, lastError, origin, reason } = outcome
    this.#failures.failed(outcome, subject)
    const { sessionId: session, clientId: client } = subject
    this.#metrics.failed[reason].count++
    // What cannot be read may not even name its RP.
    this.#metrics.failedAt.of(client ?? '').count++
    this.#log.warn(
      { trigger: cause.origin.id, session, client, reason, attempts, origin, error: lastError },
      'delivery failed',
    )
  }

  concluded(
    { kind }: Outcome,
    { sessionId: session, clientId: client }: OutcomeSubject,
    cause: DeliveryCause,
  ): void {
    this.#log.info(
      { trigger: cause.origin.id, session, client, outcome: kind },
      'decided before, published now',
    )
  }

  parked(delivery: Delivery, why: ParkReason): void {
    this.#metrics.parked[why].count++
    this.#log.debug({ session: delivery.registration.sessionId, client: delivery.rp.clientId, why }, 'parked')
  }

  breakerOpened({ clientId }: RelyingParty, cooldownMs: number): void {
    this.#metrics.breakerOpenings.count++
    this.#log.warn(
      { client: clientId, cooldownMs },
      'breaker open, because the RP does not answer: its deliveries are parked',
    )
  }

  breakerClosed({ clientId }: RelyingParty): void {
    this.#log.info(
      { client: clientId },
      'breaker closed, because the RP answers again: its backlog is delivered',
    )
  }

  published(sinceMs: number): void {
    this.#metrics.outcomePublish.add(sinceMs / 1_000)
  }

  accepted(
    decoded: Extract<DecodeResult, { kind: 'trigger' | 'registration' }>,
    result: IntakeResult,
    owed: number,
  ): void {
    const type = decoded.kind === 'trigger' ? decoded.trigger.type : 'backchannel-logout-registered'
    this.#metrics.triggers.tally({ type, result }).count++
    if (result === 'unknown-issuer') {
      const issuer = decoded.kind === 'trigger' ? decoded.trigger.issuer : decoded.registration.issuer
      this.#log.warn({ type, issuer }, 'skipped: this issuer is not configured here; compare ISSUER')
    } else if (decoded.kind === 'trigger') {
      const { origin, sessionId } = decoded.trigger
      this.#log.debug({ trigger: origin.id, type, session: sessionId, result, owed }, 'trigger')
    }
  }

  skipped(reason: Extract<DecodeResult, { kind: 'skipped' }>['reason']): void {
    this.#metrics.skipped[reason].count++
  }

  poisoned(record: WireRecord, type: KnownType | 'unknown', reason: string): void {
    const { topic, partition, offset, value } = record
    this.#metrics.deadLetters[type].count++
    this.#failures.poisoned(record, type, reason)
    this.#log.warn({ topic, partition, offset, bytes: value?.length ?? 0, type, reason }, 'poison record')
  }

  /** A topic takes no record of that size, so only what identifies it was appended. */
  recordCut({ topic, value }: OutgoingRecord): void {
    const message = `a record of ${Buffer.byteLength(value ?? '')} bytes is too large for topic ${topic} and was cut; raise max.message.bytes of the topic`
    this.fault('kafka-record-cut', new RelayFault('LR_RECORD_TOO_LARGE', message))
  }

  commitFailed(error: unknown): void {
    this.fault('kafka-commit', error)
  }

  /** The log did not hold what was to be read next. */
  positionPassed(passed: PassedPosition): void {
    const { why, wanted, position } = passed
    this.#metrics.passed[why].count++
    this.#metrics.missed.count += Math.max(position - wanted, 0)
    this.#log.warn(
      passed,
      passedTexts[why] ??
        'the topic no longer holds the next records: reading continues at its earliest record',
    )
  }

  /** A batch did not follow on the last one; what comes before it is fetched again. */
  gap(gap: FetchGap): void {
    this.#metrics.fetchGaps.count++
    this.#log.warn(gap, 'a batch left a gap after the last one: the gap is fetched')
  }

  found({ severity, summary: _, ...finding }: Finding): void {
    this.#log[levels[severity]](finding, 'check')
  }

  resolved({ check, about }: Finding): void {
    this.#log.info({ check, about }, 'check: resolved')
  }

  lookFailed(part: CheckedPart, error: unknown, failures: number): void {
    this.fault(`checks-${part}`, error, failures)
  }

  /** Redis does not hold what the log says: it was emptied, or started again from an old state. */
  registryLost(): void {
    this.#metrics.registryLosses.count++
    this.#log.warn('Redis has lost the registry: intake waits until it is rebuilt from the topic')
  }

  rebuilding(progress: RebuildProgress): void {
    if (progress.phase === 'done') this.#metrics.rebuilds.count++
    this.#log.info(progress, 'rebuilding the registry from the topic')
  }

  /** No fault: an issuer need not have discovery, nor be reachable from here. */
  publicationUnknown(error: unknown, failures: number): void {
    if (failures > 1) return
    this.#log.info({ error: messageOf(error) }, "the issuer's JWK set could not be read")
  }

  /**
   * A fault of something the service depends on; it is being retried. A warning when it begins (`failures` is 1), and
   * at most once a minute when it comes and goes.
   */
  fault(part: string, error: unknown, failures = 1): void {
    this.#metrics.faults.tally({ part }).count++
    this.#failures.fault(part, error)
    this.#onFault(part)
    const line = { part, error: messageOf(error), code: codeOf(error), failures }
    if (failures === 1 && this.#faults.isNews(`${part} ${line.error}`)) this.#log.warn(line, 'fault')
    else this.#log.debug(line, 'fault persists')
  }
}
