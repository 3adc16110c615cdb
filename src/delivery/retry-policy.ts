import type { FailureReason } from '../events/outcome.ts'
import type { Clock } from '../lib/clock.ts'

/** What may differ between issuers. */
export interface RetryDelays {
  /** Delay before the second attempt at most; doubled for each further one. Milliseconds. */
  readonly baseDelayMs: number
  readonly maxDelayMs: number
  readonly maxAttempts: number
  /** Delays after the first, second, … doubtful answer; when they are used up, the next one counts as a rejection. */
  readonly doubtfulDelaysMs: readonly number[]
}

export interface RetryPolicyOptions extends RetryDelays {
  /** From when the relay first took up the delivery. Milliseconds. */
  readonly deadlineMs: number
  /** A longer `Retry-After` is cut to that. Milliseconds. */
  readonly retryAfterMaxMs: number
}

export interface RetryContext {
  /** `excused`: a doubtful answer whose cause is known, lies on this side, and may go away. */
  readonly verdict: 'retry' | 'doubtful' | 'blocked' | 'excused'
  /** Attempts made, the failed one included unless it is excused. */
  readonly attempts: number
  /** Doubtful answers and refusals by the egress guard, this one included. */
  readonly doubtful: number
  readonly deadlineMs: number
  /** How long deliveries of its issuer are tried. Milliseconds. */
  readonly timeMs: number
  /** Where its issuer differs from the options. */
  readonly own?: Partial<RetryDelays> | undefined
  /** The `Retry-After` header, verbatim. */
  readonly retryAfter?: string | undefined
  /** The end of the RP's cool-down when its breaker is open, milliseconds since the epoch; else 0. */
  readonly openUntilMs?: number
}

export type RetryDecision =
  | { readonly kind: 'retry'; readonly dueMs: number }
  | {
      readonly kind: 'give-up'
      readonly reason: Extract<FailureReason, 'rejected' | 'exhausted' | 'expired' | 'blocked'>
    }

export type RetryPolicy = (context: RetryContext) => RetryDecision

/**
 * Exponential backoff with full jitter; the RP's `Retry-After` is a lower bound. Doubtful answers have delays of
 * their own, chosen by how long RPs keep a stale key set. What the egress guard refuses is looked at again after the same
 * delays, and then after the last of them, until its time is over: names resolve wrongly for a while, and rules are mended.
 * Excused answers are spaced alike and use up nothing: only the deadline ends the delivery.
 *
 * At an RP whose breaker is open it is the breaker that spaces the attempts, one for all deliveries: each is due at the
 * end of the cool-down, so that an RP that is well again hears of it then, and a probe does not use up the attempts of
 * the delivery that happens to be it.
 */
export function retryPolicy(options: RetryPolicyOptions, clock: Clock): RetryPolicy {
  const spentAfterMs = meanDelaysMs(options.baseDelayMs, options.maxDelayMs, options.maxAttempts)
  return ({ verdict, attempts, doubtful, deadlineMs, timeMs, own, retryAfter, openUntilMs = 0 }) => {
    const now = clock.now()
    const baseDelayMs = own?.baseDelayMs ?? options.baseDelayMs
    const maxDelayMs = own?.maxDelayMs ?? options.maxDelayMs
    const maxAttempts = own?.maxAttempts ?? options.maxAttempts
    const doubtfulDelaysMs = own?.doubtfulDelaysMs ?? options.doubtfulDelaysMs
    const takenUpAtMs = deadlineMs - timeMs
    const isExcused = verdict === 'excused'
    if (attempts >= maxAttempts && !isExcused) {
      const spentMs = own === undefined ? spentAfterMs : meanDelaysMs(baseDelayMs, maxDelayMs, maxAttempts)
      if (openUntilMs === 0 || now - takenUpAtMs >= spentMs)
        return { kind: 'give-up', reason: verdict === 'blocked' ? 'blocked' : 'exhausted' }
    }
    let delayMs: number
    const spaced = doubtfulDelaysMs[doubtful - 1]
    if (verdict === 'doubtful') {
      if (spaced === undefined) return { kind: 'give-up', reason: 'rejected' }
      delayMs = spaced
    } else if (verdict === 'blocked') {
      delayMs = spaced ?? doubtfulDelaysMs.at(-1) ?? Number.POSITIVE_INFINITY
    } else if (isExcused && doubtfulDelaysMs.length > 0) {
      delayMs = spacingMs(doubtfulDelaysMs, now - takenUpAtMs)
    } else if (openUntilMs > 0) delayMs = openUntilMs - now
    else {
      // The exponent is bounded, so that the product stays a number that can be compared.
      const ceilingMs = Math.min(baseDelayMs * 2 ** Math.min(Math.max(attempts - 1, 0), 40), maxDelayMs)
      delayMs = Math.floor(clock.random() * ceilingMs)
    }
    const askedMs = Math.min(retryAfterMs(retryAfter, now), options.retryAfterMaxMs)
    const dueMs = now + Math.max(delayMs, askedMs)
    if (dueMs < deadlineMs) return { kind: 'retry', dueMs }
    return { kind: 'give-up', reason: verdict === 'blocked' ? 'blocked' : 'expired' }
  }
}

/** The delay that is next after so long, where they follow one another and the last one is repeated. */
function spacingMs(delaysMs: readonly number[], sinceMs: number): number {
  let sumMs = 0
  for (const delayMs of delaysMs) {
    sumMs += delayMs
    if (sinceMs < sumMs) return delayMs
  }
  return delaysMs.at(-1) as number
}

/** How long it takes on average until all attempts are made, when nothing but their delays counts. */
function meanDelaysMs(baseDelayMs: number, maxDelayMs: number, maxAttempts: number): number {
  let sumMs = 0
  for (let n = 0; n < maxAttempts - 1; n++)
    sumMs += Math.min(baseDelayMs * 2 ** Math.min(n, 40), maxDelayMs) / 2
  return sumMs
}

/** `Retry-After` as seconds or as an HTTP date (RFC 9110 §10.2.3), in milliseconds from now; 0 for anything else. */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  if (header === undefined) return 0
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1_000
  const date = Date.parse(header)
  return Number.isNaN(date) ? 0 : Math.max(date - nowMs, 0)
}
