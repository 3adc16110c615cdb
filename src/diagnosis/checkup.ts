import { delay } from '../lib/deferred.ts'
import type { Gate } from '../lib/gate.ts'
import type { Look } from './check.ts'
import type { CheckName } from './check-names.ts'
import { type Finding, isTrouble } from './finding.ts'

export interface CheckupEvents {
  found(finding: Finding): void
  /** What was found before is not the case any more. */
  resolved(finding: Finding): void
  /** The surroundings could not be looked at; what was found the last time stands. */
  lookFailed(part: CheckedPart, error: unknown, failures: number): void
}

export type CheckedPart =
  | 'redis'
  | 'topics'
  | 'log'
  | 'feed'
  | 'schemas'
  | 'issuer'
  | 'keys'
  | 'clients'
  | 'process'

export interface CheckupOptions {
  /** Closed. Open while nothing that was found forbids taking anything up, from when everything was looked at. */
  readonly clear: Gate
  readonly events: CheckupEvents
  /** Between two looks at what can change. Milliseconds. */
  readonly intervalMs: number
  readonly looks: Readonly<Record<CheckedPart, Look>>
}

/** Between two looks at the same part, however urgent the second. */
const PAUSE_MS = 500
/** While something forbids going on, or is not known: the sooner it is seen to be well, the sooner the relay is ready. */
const PAUSE_WITH_ERROR_MS = 1_000
/** A part that cannot be looked at must not hold a relay up for ever: what it needs of that part it waits for itself. */
const FAILURES_BEFORE_GOING_ON = 3
/** Errors with which the rest of the work goes on: other topics and partitions are read, and other keys may sign. */
export const goesOnDespite: ReadonlySet<CheckName> = new Set([
  'topic-missing',
  'topic-pattern',
  'key-published',
  'schema-registry',
])
/** Of these, those without which nothing can begin. */
const NEEDED_AT_START: ReadonlySet<CheckName> = new Set(['topic-missing'])

/**
 * Looks at the surroundings of the relay, Redis, the topics, the ends of the log, the files of rules and webhooks, the schema registry, its issuers, the keys, the clients and the
 * process itself, at the start and again while it runs, and tells what came up and what went away. The parts are looked at
 * independently: one that does not answer does not hide the other.
 */
export class Checkup {
  readonly #options: CheckupOptions
  readonly #parts: readonly CheckedPart[]
  readonly #found = new Map<CheckedPart, readonly Finding[]>()
  readonly #failures = new Map<CheckedPart, number>()
  readonly #wakes = new Map<CheckedPart, AbortController>()
  #starting: Promise<void> | undefined
  #hasStarted = false

  constructor(options: CheckupOptions) {
    this.#options = options
    this.#parts = Object.keys(options.looks) as CheckedPart[]
  }

  /** Everything that is wrong or worth knowing now, as far as is known. */
  get findings(): readonly Finding[] {
    return this.#parts.flatMap((part) => this.#found.get(part) ?? [])
  }

  /** Parts that could not be looked at the last time. */
  get unseen(): readonly CheckedPart[] {
    return this.#parts.filter((part) => (this.#failures.get(part) ?? 0) > 0)
  }

  get errors(): readonly Finding[] {
    return this.findings.filter(isError)
  }

  /** Looks once at everything. Never throws. */
  async run(): Promise<readonly Finding[]> {
    await Promise.all(this.#parts.map((part) => this.#look(part)))
    return this.findings
  }

  /**
   * Looks until the signal aborts. Resolves when all was looked at, or tried in vain a few times, and nothing that was
   * found forbids going on. Called again it begins nothing new.
   */
  start(signal: AbortSignal): Promise<void> {
    this.#starting ??= this.#start(signal)
    return this.#starting
  }

  async #start(signal: AbortSignal): Promise<void> {
    for (const part of this.#parts) void this.#watch(part, signal)
    signal.addEventListener('abort', () => this.#options.clear.open(), { once: true })
    await this.#options.clear.wait()
    this.#hasStarted = true
  }

  /** There was a sign that a part has changed: looks at it without waiting for its time. */
  hurry(part: CheckedPart): void {
    this.#wakes.get(part)?.abort()
  }

  async #watch(part: CheckedPart, signal: AbortSignal): Promise<void> {
    const { intervalMs } = this.#options
    while (!signal.aborted) {
      // Made before the look, so that a sign during it counts for the next one.
      const wake = new AbortController()
      this.#wakes.set(part, wake)
      await this.#look(part)
      this.#judge(signal)
      const isUrgent = this.#found.get(part)?.some(isError) ?? true
      const restMs = isUrgent ? Math.min(intervalMs, PAUSE_WITH_ERROR_MS) : intervalMs
      await delay(Math.min(PAUSE_MS, restMs), signal)
      await delay(restMs - PAUSE_MS, AbortSignal.any([signal, wake.signal]))
    }
  }

  async #look(part: CheckedPart): Promise<void> {
    const { events, looks } = this.#options
    try {
      const findings = (await looks[part].make()).filter(isTrouble)
      const before = this.#found.get(part) ?? []
      this.#found.set(part, findings)
      this.#failures.set(part, 0)
      for (const finding of missingIn(before, findings)) events.found(finding)
      for (const finding of missingIn(findings, before)) events.resolved(finding)
    } catch (error) {
      const failures = (this.#failures.get(part) ?? 0) + 1
      this.#failures.set(part, failures)
      events.lookFailed(part, error, failures)
    }
  }

  /** A service that stops is held up by nothing. */
  #judge({ aborted }: AbortSignal): void {
    if (aborted || !this.#parts.every((it) => this.#isTried(it))) return
    if (this.errors.some((it) => this.#forbidsGoingOn(it))) this.#options.clear.close()
    else this.#options.clear.open()
  }

  #forbidsGoingOn({ check }: Finding): boolean {
    return !goesOnDespite.has(check) || (!this.#hasStarted && NEEDED_AT_START.has(check))
  }

  #isTried(part: CheckedPart): boolean {
    return this.#found.has(part) || (this.#failures.get(part) ?? 0) >= FAILURES_BEFORE_GOING_ON
  }
}

function isError({ severity }: Finding): boolean {
  return severity === 'error'
}

/** By what was found and where, not by the words: these may hold examples and figures that change with every look. */
function missingIn(known: readonly Finding[], findings: readonly Finding[]): Finding[] {
  const names = new Set(known.map(nameOf))
  return findings.filter((finding) => !names.has(nameOf(finding)))
}

function nameOf({ check, about = '', severity }: Finding): string {
  return `${check} ${severity} ${about}`
}
