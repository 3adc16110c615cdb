/** A dash for what was not measured. */
export function amount(value: number, decimals = 0): string {
  return Number.isFinite(value) ? value.toFixed(decimals) : '-'
}
