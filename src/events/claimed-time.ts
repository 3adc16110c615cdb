/** The tolerated difference between the clocks of an identity platform and of the relays. */
export const CLOCK_TOLERANCE_MS = 5_000

/** Earlier times are seconds read as milliseconds, or 0 and −1, which stand for "no time". */
export const EARLIEST_MS = Date.UTC(2001, 0, 1)
/** Later times are microseconds read as milliseconds. */
export const LATEST_MS = Date.UTC(3000, 0, 1)

/** Whether a time, in milliseconds since the epoch, is plausible for a login or logout. */
export function isTime(ms: number | undefined): ms is number {
  return ms !== undefined && ms >= EARLIEST_MS && ms < LATEST_MS
}

/**
 * Bounds a time that a record claims. An implausible one becomes `otherwiseMs`, and none is later than `readAtMs` plus the
 * clock tolerance. Milliseconds since the epoch.
 */
export function claimedTime(statedMs: number | undefined, otherwiseMs: number, readAtMs: number): number {
  return Math.min(isTime(statedMs) ? statedMs : otherwiseMs, readAtMs + CLOCK_TOLERANCE_MS)
}
