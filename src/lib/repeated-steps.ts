import type { Clock } from './clock.ts'

/** A step that is repeated until it succeeds, as whoever repeats it tells of it. */
export interface RepeatedStep {
  /** `failures`: in a row, this one included. */
  readonly onError: (error: unknown, failures: number) => void
  /** It has succeeded after failures. */
  readonly onRecovered: () => void
}

interface Failing {
  readonly since: number
  readonly sinceMs: number
  readonly what: string
  message: string
}

/** A step that fails for so long holds up all that stands behind it. */
const LASTING_MS = 3_000
const MESSAGE_CHARACTERS_MAX = 300

/** Which steps are being repeated, so that nothing is held up without a word. */
export class RepeatedSteps {
  readonly #clock: Clock
  readonly #failing = new Map<string, Failing>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** `what` says what is done, as "publishing outcomes"; `onError` hears of each failure. */
  step(name: string, what: string, onError: RepeatedStep['onError']): RepeatedStep {
    return {
      onError: (error, failures) => {
        this.#failed(name, what, error)
        onError(error, failures)
      },
      onRecovered: () => void this.#failing.delete(name),
    }
  }

  /** By name, with since when and why; empty when every step succeeds or has failed for a moment only. */
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
