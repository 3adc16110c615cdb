import type { Config } from '../config/config.ts'
import type { IntakeFile, IntakeSource } from '../config/intake-file.ts'
import { FittingLog } from '../delivery/fitting-log.ts'
import type { OutcomeLog } from '../delivery/outcome-log.ts'
import type { CheckedPart } from '../diagnosis/checkup.ts'
import type { WebhookFailure } from '../diagnosis/facts.ts'
import type { TopicSelection } from '../events/topic-selection.ts'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/errors.ts'
import { Ration } from '../lib/ration.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { RelayEvents } from '../telemetry/relay-events.ts'
import type { WebhookListener, WebhookResult } from '../webhooks/webhook-listener.ts'
import { WatchedFile } from './watched-file.ts'

export interface WebhookIntakeOptions {
  readonly clock: Clock
  readonly config: Pick<Config, 'http' | 'kafka' | 'intake'>
  readonly events: Pick<RelayEvents, 'fault'>
  /** A finding has changed. */
  readonly hurry: (part: CheckedPart) => void
  /** On a connection of its own: a webhook may be large, and outcomes do not wait behind it. */
  readonly log: OutcomeLog
  readonly logger: Logger
  readonly metrics: Metrics
}

const REFUSED_LINES_PER_MINUTE = 60
/** Not ready any more after so long, and ready again so long after the last failure: without webhooks nobody would notice. */
const LASTING_MS = 3_000
const FORGOTTEN_MS = 60_000

/** The port for platforms that send webhooks and no records; nothing without `INTAKE_PORT`. */
export class WebhookIntake {
  readonly #options: WebhookIntakeOptions
  readonly #file: WatchedFile<IntakeFile> | undefined
  readonly #refusedLines = new Ration(REFUSED_LINES_PER_MINUTE)
  /** By topic, while Kafka takes none of its webhooks; the last one decides. */
  readonly #failures = new Map<string, WebhookFailure>()
  #sources: readonly IntakeSource[] = []
  #listener: WebhookListener | undefined

  constructor(options: WebhookIntakeOptions) {
    this.#options = options
    const { file, port } = options.config.intake
    if (port === undefined || file === undefined) return
    const { topics } = options.config.kafka
    this.#file = new WatchedFile(
      () => read(file, topics),
      ({ sources }) => this.#use(sources),
    )
  }

  /** Why the file cannot be used as it is now, so that the sources of before stay in force. */
  get problem(): string | undefined {
    return this.#file?.problem
  }

  /** Who may send now. */
  get sources(): readonly IntakeSource[] {
    return this.#sources
  }

  get failures(): readonly WebhookFailure[] {
    return [...this.#failures.values()]
  }

  /** Why no webhook can be taken, if it has lasted. */
  notReady(): Record<string, string> {
    const now = this.#options.clock.now()
    const lasting = this.failures.find(
      ({ sinceMs, lastMs }) => lastMs - sinceMs > LASTING_MS && now - lastMs < FORGOTTEN_MS,
    )
    return lasting === undefined
      ? {}
      : {
          webhooks: `publishing to ${lasting.topic} has failed since ${new Date(lasting.sinceMs).toISOString()}: ${lasting.reason}`,
        }
  }

  /** Reads who may send, and listens. Throws `LR_INTAKE_INVALID`, or where the port cannot be opened. */
  async start(reloadMs: number): Promise<void> {
    const file = this.#file
    if (file === undefined) return
    await file.open()
    file.watch(reloadMs, {
      onReloaded: ({ sources }) => {
        this.#options.logger.info({ count: sources.length }, 'webhook sources reloaded')
        for (const part of ['process', 'feed'] as const) this.#options.hurry(part)
      },
      onRefused: (error, failures) => {
        this.#options.events.fault('intake-file', error, failures)
        if (failures === 1) this.#options.hurry('process')
      },
    })
    const { clock, config, log } = this.#options
    const { WebhookListener } = await import('../webhooks/webhook-listener.ts')
    this.#listener = new WebhookListener({
      clock,
      // What a topic takes together may be less than what it takes one by one.
      log: new FittingLog(log, () => undefined),
      sources: () => this.#sources,
      onAnswered: (source, result, from) => this.#answered(source, result, from),
      onFailed: (topic, error) => this.#failed(topic, error),
      onPublished: (topic) => this.#published(topic),
    })
    const { port } = await this.#listener.listen(config.intake.port as number, config.http.bindAddress)
    this.#options.logger.info({ port }, 'listening for webhooks')
  }

  /** Takes no webhook any more, and answers those under way. */
  async drain(ms: number): Promise<void> {
    this.#file?.close()
    await this.#listener?.drain(ms)
  }

  #use(sources: readonly IntakeSource[]): void {
    this.#sources = sources
    for (const { name: source } of sources) {
      for (const result of ['accepted', 'unpublished', 'wrong-signature'])
        this.#options.metrics.intakeRequests.inc({ source, result }, 0)
    }
    const topics = new Set(sources.map(({ topic }) => topic))
    for (const topic of this.#failures.keys()) if (!topics.has(topic)) this.#failures.delete(topic)
  }

  #answered(source: string | undefined, result: WebhookResult, from: string | undefined): void {
    const { logger, metrics } = this.#options
    metrics.intakeRequests.inc({ source: source ?? 'unknown', result })
    if (result === 'accepted' || result === 'challenged') {
      logger.debug({ source, result, from }, 'webhook')
      return
    }
    const said = this.#refusedLines.take()
    if (said === undefined) return
    const { isLast, leftOut } = said
    logger.warn(
      {
        ...{ source, result, from },
        ...(leftOut > 0 && { leftOut }),
        ...(isLast && { further: 'not logged within this minute' }),
      },
      'webhook refused',
    )
  }

  #failed(topic: string, error: unknown): void {
    const known = this.#failures.get(topic)
    const lastMs = this.#options.clock.now()
    const failures = (known?.failures ?? 0) + 1
    const reason = messageOf(error)
    this.#failures.set(topic, { topic, reason, failures, sinceMs: known?.sinceMs ?? lastMs, lastMs })
    this.#options.events.fault('kafka-webhooks', error, failures)
    if (failures === 1) this.#options.hurry('log')
  }

  #published(topic: string): void {
    if (this.#failures.delete(topic)) this.#options.hurry('log')
  }
}

async function read(file: string, topics: TopicSelection): Promise<IntakeFile> {
  const { readIntakeFile } = await import('../config/intake-file.ts')
  return readIntakeFile(file, topics)
}
