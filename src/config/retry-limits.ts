const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** The time that a delivery may be given, wherever it is configured. */
export const RETRY_DEADLINE = { minMs: 100, maxMs: 30 * DAY_MS } as const
/** The delays and attempts that it may be given, likewise. */
export const RETRY_BASE_DELAY = { minMs: 1, maxMs: HOUR_MS } as const
export const RETRY_MAX_DELAY = { minMs: 1, maxMs: DAY_MS } as const
export const RETRY_ATTEMPTS = { min: 1, max: 1_000 } as const
