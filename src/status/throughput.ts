import type { Clock } from '../lib/clock.ts'
import { type CumulativeBucket, quantileMs } from './quantile.ts'

/** A counter or a histogram as the metrics library reads it. */
export interface ReadableMetric {
  get(): Promise<{
    values: readonly {
      labels: Partial<Record<string, string | number>>
      value: number
      metricName?: string | undefined
    }[]
  }>
}

export interface CountedMetrics {
  /** By `outcome` and `reason`. */
  readonly deliveries: ReadableMetric
  /** A histogram of seconds. */
  readonly triggerToSent: ReadableMetric
  /** Triggers and registrations read, by `type` and `result`. */
  readonly triggers: ReadableMetric
}

export interface OutcomeCount {
  readonly outcome: string
  readonly reason: string
  /** In the window, and since the start of the process. */
  readonly recently: number
  readonly total: number
}

export interface ThroughputView {
  readonly sentPerSecond: number
  /** In shadow mode, where nothing is sent: what would have been or not. */
  readonly shadowedPerSecond: number
  /** Between two points of the curves. */
  readonly everyMs: number
  /** Deliveries per second, oldest first, at most 60. */
  readonly sent: number[]
  readonly failed: number[]
  readonly shadowed: number[]
  /** What "recently" means: shorter than five minutes in a young process. */
  readonly windowMs: number
  readonly outcomes: OutcomeCount[]
  /** Since the start of the process. */
  readonly read: {
    /** Triggers of issuers that are configured here. */
    readonly triggers: number
    /** Triggers and registrations of others, which are skipped. */
    readonly ofUnknownIssuer: number
  }
  /** `undefined` when nothing was sent in the window. */
  readonly triggerToSent: { readonly p50Ms: number; readonly p99Ms: number } | undefined
}

interface Reading {
  readonly atMs: number
  readonly counts: readonly { readonly outcome: string; readonly reason: string; readonly value: number }[]
  readonly buckets: readonly CumulativeBucket[]
}

const SAMPLE_MS = 5_000
const SAMPLES_MAX = 61
/** A rate is taken over two samples at least: over one second it would jump about. */
const RATE_SAMPLES = 2

/**
 * How the counters moved in the last five minutes. They are read every five seconds whether somebody looks or not,
 * so that whoever opens the page sees what led to it; counting itself costs nothing more.
 */
export class Throughput {
  readonly #metrics: CountedMetrics
  readonly #clock: Clock
  readonly #samples: Reading[] = []
  #timer: NodeJS.Timeout | undefined

  constructor(metrics: CountedMetrics, clock: Clock) {
    this.#metrics = metrics
    this.#clock = clock
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.sample(), SAMPLE_MS).unref()
    void this.sample()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async sample(): Promise<void> {
    this.#samples.push(await this.#read())
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift()
  }

  async view(): Promise<ThroughputView> {
    const [now, read] = await Promise.all([this.#read(), this.#readTriggers()])
    const oldest = this.#samples[0] ?? now
    const before = this.#samples.at(-RATE_SAMPLES) ?? oldest
    const [sent, failed, shadowed] = ['sent', 'failed', 'shadowed'].map((outcome) =>
      this.#samples.slice(1).map((sample, i) => rate(this.#samples[i] as Reading, sample, outcome)),
    ) as [number[], number[], number[]]
    const earlier = new Map(
      oldest.counts.map(({ outcome, reason, value }) => [`${outcome} ${reason}`, value]),
    )
    const bucketsBefore = new Map(oldest.buckets.map(({ upperSeconds, count }) => [upperSeconds, count]))
    const buckets = now.buckets.map(({ upperSeconds, count }) => ({
      upperSeconds,
      count: count - (bucketsBefore.get(upperSeconds) ?? 0),
    }))
    const [p50Ms, p99Ms] = [quantileMs(buckets, 0.5), quantileMs(buckets, 0.99)]
    return {
      sentPerSecond: rate(before, now, 'sent'),
      shadowedPerSecond: rate(before, now, 'shadowed'),
      everyMs: SAMPLE_MS,
      sent,
      failed,
      shadowed,
      read,
      windowMs: now.atMs - oldest.atMs,
      outcomes: now.counts
        .filter(({ value }) => value > 0)
        .map(({ outcome, reason, value }) => ({
          outcome,
          reason,
          recently: value - (earlier.get(`${outcome} ${reason}`) ?? 0),
          total: value,
        })),
      triggerToSent: p50Ms === undefined || p99Ms === undefined ? undefined : { p50Ms, p99Ms },
    }
  }

  async #readTriggers(): Promise<ThroughputView['read']> {
    const { values } = await this.#metrics.triggers.get()
    const read = { triggers: 0, ofUnknownIssuer: 0 }
    for (const { labels, value } of values)
      if (labels.result === 'unknown-issuer') read.ofUnknownIssuer += value
      else if (labels.type !== 'backchannel-logout-registered') read.triggers += value
    return read
  }

  async #read(): Promise<Reading> {
    const { deliveries, triggerToSent } = this.#metrics
    const [counted, measured] = await Promise.all([deliveries.get(), triggerToSent.get()])
    return {
      atMs: this.#clock.now(),
      counts: counted.values.map(({ labels, value }) => ({
        outcome: String(labels.outcome),
        reason: String(labels.reason ?? ''),
        value,
      })),
      buckets: measured.values.flatMap(({ labels: { le }, value }) =>
        le === undefined ? [] : [{ upperSeconds: le === '+Inf' ? Infinity : Number(le), count: value }],
      ),
    }
  }
}

/** Per second. */
function rate(from: Reading, to: Reading, outcome: string): number {
  const seconds = (to.atMs - from.atMs) / 1_000
  return seconds <= 0 ? 0 : Math.max(countOf(to, outcome) - countOf(from, outcome), 0) / seconds
}

function countOf({ counts }: Reading, outcome: string): number {
  let sum = 0
  for (const it of counts) if (it.outcome === outcome) sum += it.value
  return sum
}
