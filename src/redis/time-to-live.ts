/** A registration and its tombstone must outlive the deadline, or the last failure could not be reported in full. */
const MARGIN_MS = 10 * 60_000

/** What `RETRY_DEADLINE_MS` may be at most: a deadline that somebody else has written may be any number. */
const DEADLINE_MS_MAX = 30 * 24 * 60 * 60_000

/** How long what a delivery needs must live, in ms from now. Both times in milliseconds since the epoch. */
export function timeToLiveMs(deadlineMs: number, nowMs: number): number {
  return Math.min(Math.max(Math.ceil(deadlineMs - nowMs) || 0, 0), DEADLINE_MS_MAX) + MARGIN_MS
}
