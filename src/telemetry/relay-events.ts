import type { Counter } from 'prom-client'
import type { Delivery, DeliveryCause } from '../delivery/delivery.ts'
import type { AttemptReport, DeliveryEvents, ParkReason } from '../delivery/delivery-events.ts'
import type { OutgoingRecord } from '../delivery/outcome-log.ts'
import type { RelyingParty } from '../delivery/relying-party.ts'
import type { CheckedPart, CheckupEvents } from '../diagnosis/checkup.ts'
import type { Finding, Severity } from '../diagnosis/finding.ts'
import type { ClientChange } from '../events/client.ts'
import type { DecodeResult } from '../events/decoding/decode-record.ts'
import type { KnownType } from '../events/decoding/known-types.ts'
import type { Outcome, OutcomeSubject } from '../events/outcome.ts'
import type { WireRecord } from '../events/wire-record.ts'
import type { FetchGap } from '../intake/assignment.ts'
import type { IntakeEvents, IntakeResult } from '../intake/intake-events.ts'
import type { PassedPosition } from '../intake/log-edges.ts'
import { issuerOf, typeOf } from '../intake/pipeline.ts'
import type { Clock } from '../lib/clock.ts'
import { codeOf, messageOf, RelayFault } from '../lib/errors.ts'
import { Ration } from '../lib/ration.ts'
import { RecentMessages } from '../lib/recent-messages.ts'
import type { RebuildProgress } from '../recovery/missing-from-log.ts'
import { RecentFailures } from '../status/recent-failures.ts'
import { acceptedAttemptLine } from './attempt-line.ts'
import type { Log, Logger } from './log.ts'
import type { Metrics } from './metrics.ts'

/** In a line of the log. */
const TOPICS_NAMED_MAX = 20
const levels = {
  error: 'error',
  warning: 'warn',
  hint: 'info',
  ok: 'debug',
  unknown: 'debug',
} as const satisfies Record<Severity, string>

/** Beyond that the log would only repeat the dead-letter topic. */
const POISON_LINES_PER_MINUTE = 200
/** Anybody who writes records can make issuers up. */
const UNKNOWN_ISSUER_LINES_PER_MINUTE = 60
const CLIENT_LINES_PER_MINUTE = 60

const passedTexts: Partial<Record<PassedPosition['why'], string>> = {
  forgotten: 'its position is lost: reading starts as at a first start',
  lacked: 'Redis fell behind, and the topic no longer holds all records that it lacks',
}

/** What the service says about itself: each event becomes its counters and its log line, here and nowhere else. */
export class RelayEvents implements CheckupEvents, DeliveryEvents, IntakeEvents {
  readonly #log: Logger
  readonly #writeLine: (line: string) => void
  /** Looked up once: these two are counted for each delivery. */
  readonly #sent: Counter.Internal
  readonly #accepted: Counter.Internal
  readonly #metrics: Metrics
  readonly #clock: Clock
  readonly #onFault: (part: string) => void
  readonly #failures: RecentFailures
  readonly #faults = new RecentMessages()
  readonly #poisonLines = new Ration(POISON_LINES_PER_MINUTE)
  readonly #unknownIssuers = new RecentMessages()
  readonly #unknownLines = new Ration(UNKNOWN_ISSUER_LINES_PER_MINUTE)
  readonly #retiredClients = new RecentMessages()
  readonly #retiredLines = new Ration(CLIENT_LINES_PER_MINUTE)
  readonly #changeLines = new Ration(CLIENT_LINES_PER_MINUTE)

  constructor(
    { logger, writeLine }: Pick<Log, 'logger' | 'writeLine'>,
    metrics: Metrics,
    clock: Clock,
    onFault: (part: string) => void = () => undefined,
    failures = new RecentFailures(clock),
  ) {
    this.#log = logger
    this.#writeLine = logger.isLevelEnabled('info') ? writeLine : () => undefined
    this.#sent = metrics.deliveries.labels({ outcome: 'sent', reason: '' })
    this.#accepted = metrics.attempts.labels({ verdict: 'sent' })
    this.#metrics = metrics
    this.#clock = clock
    this.#onFault = onFault
    this.#failures = failures
  }

  attempted(report: AttemptReport): void {
    const { delivery, attemptNumber, jti, result, verdict, durationMs, next } = report
    this.#metrics.attemptDuration.add(durationMs / 1_000)
    if (verdict === 'sent') {
      this.#accepted.inc()
      if (this.#failures.isAnyTroubled) this.#failures.accepted(report.delivery.rp.key)
      this.#writeLine(acceptedAttemptLine(report))
      return
    }
    this.#metrics.attempts.inc({ verdict })
    const { registration, cause } = delivery
    const line = {
      trigger: cause.origin.id,
      issuer: registration.issuer,
      session: registration.sessionId,
      client: registration.clientId,
      attemptNumber,
      verdict,
      durationMs: Math.round(durationMs),
      jti,
      status: result.kind === 'answered' ? result.status : undefined,
      origin: delivery.origin,
    }
    if (verdict !== 'local') this.#failures.attemptFailed(delivery)
    const code = result.kind === 'unreachable' ? result.code : undefined
    this.#log.warn(
      {
        ...line,
        error: verdict === 'local' ? code : (delivery.lastError ?? code),
        next: typeof next === 'string' ? next : { retryInMs: next.retryDueMs - this.#clock.now() },
      },
      'attempt',
    )
  }

  settled(outcome: Outcome, subject: OutcomeSubject, cause: DeliveryCause): void {
    if (outcome.kind === 'sent') {
      this.#sent.inc()
      this.#metrics.triggerToSent.add(Math.max(this.#clock.now() - cause.occurredAtMs, 0) / 1_000)
      return
    }
    if (outcome.kind === 'shadowed') {
      this.#shadowed(outcome, subject, cause)
      return
    }
    const { attempts, lastError, origin, reason } = outcome
    this.#failures.failed(outcome, subject)
    const { issuer, sessionId: session, clientId: client } = subject
    this.#metrics.deliveries.inc({ outcome: 'failed', reason })
    // What cannot be read may not even name its RP.
    this.#metrics.clientFailures.failed(`${issuer}|${client ?? ''}`)
    this.#log.warn(
      { trigger: cause.origin.id, issuer, session, client, reason, attempts, origin, error: lastError },
      'delivery failed',
    )
  }

  #shadowed(
    { would, error, origin }: Extract<Outcome, { kind: 'shadowed' }>,
    { issuer, sessionId: session, clientId: client }: OutcomeSubject,
    cause: DeliveryCause,
  ): void {
    this.#metrics.deliveries.inc({ outcome: 'shadowed', reason: would === 'send' ? '' : would })
    const line = { trigger: cause.origin.id, issuer, session, client, would, origin, error }
    this.#log[would === 'send' ? 'info' : 'warn'](line, 'shadowed: nothing is sent')
  }

  concluded(
    { kind }: Outcome,
    { issuer, sessionId: session, clientId: client }: OutcomeSubject,
    cause: DeliveryCause,
  ): void {
    this.#log.info(
      { trigger: cause.origin.id, issuer, session, client, outcome: kind },
      'decided before, published now',
    )
  }

  parked({ registration, rp: { issuer, clientId: client } }: Delivery, why: ParkReason): void {
    this.#metrics.parked.inc({ why })
    this.#log.debug({ issuer, session: registration.sessionId, client, why }, 'parked')
  }

  breakerOpened({ clientId, issuer }: RelyingParty, cooldownMs: number): void {
    this.#metrics.breakerOpenings.inc()
    this.#log.warn(
      { issuer, client: clientId, cooldownMs },
      'breaker open, because the RP does not answer: its deliveries are parked',
    )
  }

  breakerClosed({ clientId, issuer }: RelyingParty): void {
    this.#log.info(
      { issuer, client: clientId },
      'breaker closed, because the RP answers again: its backlog is delivered',
    )
  }

  published(sinceMs: number): void {
    this.#metrics.outcomePublish.add(sinceMs / 1_000)
  }

  accepted(
    decoded: Extract<DecodeResult, { kind: 'trigger' | 'registration' | 'client' }>,
    result: IntakeResult,
    owed: number,
  ): void {
    const type = typeOf(decoded)
    this.#metrics.triggers.inc({ type, result })
    if (result === 'unknown-issuer') {
      const issuer = issuerOf(decoded)
      if (this.#unknownIssuers.isNew(issuer) && this.#unknownLines.take() !== undefined)
        this.#log.warn({ type, issuer }, 'skipped: this issuer is not configured here, or not enabled')
    } else if (decoded.kind === 'trigger') {
      const { origin, sessionId } = decoded.trigger
      this.#log.debug({ trigger: origin.id, type, session: sessionId, result, owed }, 'trigger')
    } else if (decoded.kind === 'client') this.#clientChanged(decoded.change)
    else if (result === 'retired') {
      const { clientId, issuer } = decoded.registration
      if (this.#retiredClients.isNew(`${issuer}|${clientId}`) && this.#retiredLines.take() !== undefined)
        this.#log.warn({ issuer, client: clientId }, 'registration refused: its client is retired')
    }
  }

  /** Clients are configured by people, or all at once when a platform starts. */
  #clientChanged({ clientId, issuer, type, ...change }: ClientChange): void {
    if (this.#changeLines.take() === undefined) return
    const state = 'state' in change ? change.state : undefined
    this.#log.info({ issuer, client: clientId, type, state }, 'client')
  }

  skipped(reason: Extract<DecodeResult, { kind: 'skipped' }>['reason']): void {
    this.#metrics.skipped.inc({ reason })
  }

  poisoned(record: WireRecord, type: KnownType | 'unknown', reason: string): void {
    const { topic, partition, offset, value } = record
    this.#metrics.deadLetters.inc({ type })
    this.#failures.poisoned(record, type, reason)
    const said = this.#poisonLines.take()
    if (said === undefined) return
    const line = { topic, partition, offset, bytes: value?.length ?? 0, type, reason }
    const { leftOut, isLast } = said
    this.#log.warn(
      {
        ...line,
        ...(leftOut > 0 && { leftOut }),
        ...(isLast && { further: 'not logged within this minute' }),
      },
      'poison record',
    )
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
    this.#metrics.passed.inc({ why })
    this.#metrics.missed.inc(Math.max(position - wanted, 0))
    this.#log.warn(
      passed,
      passedTexts[why] ??
        'the topic no longer holds the next records: reading continues at its earliest record',
    )
  }

  /** Topics that a pattern brings are read from now on, or not any more. */
  topicsChanged({ added, left }: { added: readonly string[]; left: readonly string[] }): void {
    const counts = { added: added.length, left: left.length }
    const named = {
      addedTopics: added.slice(0, TOPICS_NAMED_MAX),
      leftTopics: left.slice(0, TOPICS_NAMED_MAX),
    }
    this.#log.info({ ...counts, ...named }, 'topics of patterns')
  }

  /** A batch did not follow on the last one; what comes before it is fetched again. */
  gap(gap: FetchGap): void {
    this.#metrics.fetchGaps.inc()
    this.#log.warn(gap, 'a batch did not follow on the last one: what comes before it is fetched')
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
    this.#metrics.registryLosses.inc()
    this.#log.warn('Redis has lost the registry: intake waits until it is built anew from the log')
  }

  rebuilding(progress: RebuildProgress): void {
    if (progress.phase === 'done') this.#metrics.rebuilds.inc()
    this.#log.info(progress, 'building the registry from the log')
  }

  /**
   * A fault of something the service depends on; it is being retried. A warning when it begins (`failures` is 1), and
   * at most once a minute when it comes and goes.
   */
  fault(part: string, error: unknown, failures = 1): void {
    this.#metrics.faults.inc({ part })
    this.#failures.fault(part, error)
    this.#onFault(part)
    const line = { part, error: messageOf(error), code: codeOf(error), failures }
    if (failures === 1 && this.#faults.isNew(`${part} ${line.error}`)) this.#log.warn(line, 'fault')
    else this.#log.debug(line, 'fault goes on')
  }
}
