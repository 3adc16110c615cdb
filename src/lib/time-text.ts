/** A foreign time, in milliseconds since the epoch, as ISO 8601. It may be out of range. */
export function timeText(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? 'unknown' : time.toISOString()
}
