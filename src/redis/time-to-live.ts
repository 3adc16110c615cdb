/** A registration and its tombstone must outlive the deadline, or the last failure could not be reported in full. */
const MARGIN_MS = 10 * 60_000

/** The maximum of `RETRY_DEADLINE_MS`. A foreign deadline may be any number. */
const DEADLINE_MS_MAX = 30 * 24 * 60 * 60_000

/** The TTL of what a delivery needs, in ms. Both times in milliseconds since the epoch. */
export function timeToLiveMs(deadlineMs: number, nowMs: number): number {
  return Math.min(Math.max(Math.ceil(deadlineMs - nowMs) || 0, 0), DEADLINE_MS_MAX) + MARGIN_MS
}
