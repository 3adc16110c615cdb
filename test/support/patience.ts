/**
 * Milliseconds to wait for what must come: longer than a shared machine stands still at times. What comes in time costs
 * none of it.
 */
export const PATIENCE_MS = 45_000
