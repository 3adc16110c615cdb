/**
 * Milliseconds, with fractions, on the machine's monotonic clock. Every process on one machine reads the same
 * clock, so an instant taken in the bench can be subtracted from one taken in the ledger; wall clocks may step.
 */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
