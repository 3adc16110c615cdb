import type { Clock } from './clock.ts'

/** Callbacks for a step that is repeated until it succeeds. */
export interface RepeatedStep {
  /** `failures`: consecutive failures, this one included. */
  readonly onError: (error: unknown, failures: number) => void
  /** The step succeeded after failures. */
  readonly onRecovered: () => void
}

interface Failing {
  readonly since: number
  readonly sinceMs: number
  readonly what: string
  message: string
}

/** A step that fails for longer blocks everything behind it. */
const LASTING_MS = 3_000
const MESSAGE_CHARACTERS_MAX = 300

/** Tracks the steps that are being repeated, so that no blocked step goes unnoticed. */
export class RepeatedSteps {
  readonly #clock: Clock
  readonly #failing = new Map<string, Failing>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `what` names the work, such as "publishing outcomes". `onError` is called on each failure. */
  step(name: string, what: string, onError: RepeatedStep['onError']): RepeatedStep {
    return {
      onError: (error, failures) => {
        this.#failed(name, what, error)
        onError(error, failures)
      },
      onRecovered: () => void this.#failing.delete(name),
    }
  }

  /** The steps that have been failing for some time, by name, with start and reason. Empty when there is none. */
  lasting(): Record<string, string> {
    const until = this.#clock.monotonic() - LASTING_MS
    const lasting = [...this.#failing].filter(([, { since }]) => since < until)
    return Object.fromEntries(
      lasting.map(([name, { what, sinceMs, message }]) => [
        name,
        `${what} has failed since ${new Date(sinceMs).toISOString()}: ${message}`,
      ]),
    )
  }

  #failed(name: string, what: string, error: unknown): void {
    const message = (error instanceof Error ? error.message : String(error)).slice(0, MESSAGE_CHARACTERS_MAX)
    const failing = this.#failing.get(name)
    if (failing !== undefined) failing.message = message
    else {
      const { now, monotonic } = this.#clock
      this.#failing.set(name, { what, message, since: monotonic(), sinceMs: now() })
    }
  }
}
