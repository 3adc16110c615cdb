/** How far the clocks of an identity platform and of the relays may lie apart. */
export const CLOCK_TOLERANCE_MS = 5_000

/** Seconds since the epoch, read as milliseconds, lie before it; so do 0 and −1, which stand for "no time". */
export const EARLIEST_MS = Date.UTC(2001, 0, 1)
/** Microseconds since the epoch, read as milliseconds, lie behind it. */
export const LATEST_MS = Date.UTC(3000, 0, 1)

/** Whether a stated time, in milliseconds since the epoch, can be one at which somebody logged in or out. */
export function isTime(ms: number | undefined): ms is number {
  return ms !== undefined && ms >= EARLIEST_MS && ms < LATEST_MS
}

/**
 * A time that somebody states is a claim. One that cannot be is replaced by `otherwiseMs`, and none lies further in the
 * future than clocks lie apart. Milliseconds since the epoch.
 */
export function claimedTime(statedMs: number | undefined, otherwiseMs: number, readAtMs: number): number {
  return Math.min(isTime(statedMs) ? statedMs : otherwiseMs, readAtMs + CLOCK_TOLERANCE_MS)
}
