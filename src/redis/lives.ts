/** A registration and its tombstone must outlive the deadline, or the last failure could not be reported in full. */
const MARGIN_MS = 10 * 60_000

/** How long what a delivery needs must live, in ms from now. Both times in milliseconds since the epoch. */
export function lifeUntil(deadlineMs: number, nowMs: number): number {
  return Math.max(deadlineMs - nowMs, 0) + MARGIN_MS
}
