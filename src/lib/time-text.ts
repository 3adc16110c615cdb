/** A time that somebody states, in milliseconds since the epoch, as ISO 8601: it may be none that there is. */
export function timeText(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? 'unknown' : time.toISOString()
}
