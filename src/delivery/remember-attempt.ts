import type { AttemptResult } from '../egress/sender.ts'
import type { Outcome } from '../events/outcome.ts'
import type { Delivery } from './delivery.ts'
import type { AttemptReport } from './delivery-events.ts'
import { errorText } from './error-text.ts'

/** Notes on the delivery, and on its RP, what came of its last attempt. */
export function remember(delivery: Delivery, result: AttemptResult): void {
  noteResult(delivery, result)
  delivery.rp.lastError = delivery.lastError
}

function noteResult(delivery: Delivery, result: AttemptResult): void {
  if (result.kind === 'answered') {
    delivery.lastStatus = result.status
    delivery.lastError = result.status >= 300 ? errorText(`HTTP ${result.status}`, result.detail) : undefined
    return
  }
  delivery.lastStatus = undefined
  const code = result.kind === 'blocked' ? 'blocked' : result.code
  delivery.lastError = errorText(code, result.message)
}

/** Counts an outcome at its RP. `nowMs`: milliseconds since the epoch. */
export function countOutcome({ coalesced, rp }: Delivery, outcome: Outcome, nowMs: number): void {
  const { kind } = outcome
  if (kind === 'sent') rp.sent += 1 + coalesced.length
  else if (kind === 'failed') {
    rp.failed += 1 + coalesced.length
    rp.failedAtMs = nowMs
    // Also of one that failed before any attempt.
    rp.lastError = outcome.lastError ?? rp.lastError
  }
}

/** Notes on the RP how long it takes to answer, or that it does not. */
export function rememberPace({ delivery, verdict, result, durationMs }: Omit<AttemptReport, 'next'>): void {
  const { probeTimeout } = delivery.rp
  if (result.kind === 'blocked') return
  if (result.kind === 'unreachable' && result.code === 'LR_ATTEMPT_TIMEOUT') {
    if (isProbe(delivery)) probeTimeout.hung()
  } else if (verdict === 'retry') probeTimeout.failed()
  else probeTimeout.answered(durationMs)
}

export function isProbe(delivery: Delivery): boolean {
  return delivery.rp.probe === delivery
}
