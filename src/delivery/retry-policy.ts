import type { FailureReason } from '../events/outcome.ts'
import type { Clock } from '../lib/clock.ts'

export interface RetryPolicyOptions {
  /** Delay before the second attempt at most; doubled for each further one. Milliseconds. */
  readonly baseDelayMs: number
  readonly maxDelayMs: number
  readonly maxAttempts: number
  /** From when the relay first took up the delivery. Milliseconds. */
  readonly deadlineMs: number
  /** Delays after the first, second, … doubtful answer; when they are used up, the next one counts as a rejection. */
  readonly doubtfulDelaysMs: readonly number[]
  /** A longer `Retry-After` is cut to that. Milliseconds. */
  readonly retryAfterMaxMs: number
}

export interface RetryContext {
  readonly verdict: 'retry' | 'doubtful'
  /** Attempts made, the failed one included. */
  readonly attempts: number
  /** Doubtful answers, this one included. */
  readonly doubtful: number
  readonly deadlineMs: number
  /** The `Retry-After` header, verbatim. */
  readonly retryAfter?: string | undefined
}

export type RetryDecision =
  | { readonly kind: 'retry'; readonly dueMs: number }
  | {
      readonly kind: 'give-up'
      readonly reason: Extract<FailureReason, 'rejected' | 'exhausted' | 'expired'>
    }

export type RetryPolicy = (context: RetryContext) => RetryDecision

/**
 * Exponential backoff with full jitter; the RP's `Retry-After` is a lower bound. Doubtful answers have delays of
 * their own, chosen by how long RPs keep a stale key set.
 */
export function retryPolicy(options: RetryPolicyOptions, clock: Clock): RetryPolicy {
  return ({ verdict, attempts, doubtful, deadlineMs, retryAfter }) => {
    const now = clock.now()
    if (attempts >= options.maxAttempts) return { kind: 'give-up', reason: 'exhausted' }
    let delayMs: number
    if (verdict === 'doubtful') {
      const spaced = options.doubtfulDelaysMs[doubtful - 1]
      if (spaced === undefined) return { kind: 'give-up', reason: 'rejected' }
      delayMs = spaced
    } else {
      // The exponent is bounded, so that the product stays a number that can be compared.
      const ceilingMs = Math.min(options.baseDelayMs * 2 ** Math.min(attempts - 1, 40), options.maxDelayMs)
      delayMs = Math.floor(clock.random() * ceilingMs)
    }
    const askedMs = Math.min(retryAfterMs(retryAfter, now), options.retryAfterMaxMs)
    const dueMs = now + Math.max(delayMs, askedMs)
    return dueMs >= deadlineMs ? { kind: 'give-up', reason: 'expired' } : { kind: 'retry', dueMs }
  }
}

/** `Retry-After` as seconds or as an HTTP date (RFC 9110 §10.2.3), in milliseconds from now; 0 for anything else. */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1_000
  const date = Date.parse(header)
  return Number.isNaN(date) ? 0 : Math.max(date - nowMs, 0)
}
