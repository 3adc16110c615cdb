import { type Logger, pino } from 'pino'
import { LineBuffer } from './line-buffer.ts'

export type { Logger } from 'pino'

export interface Log {
  readonly logger: Logger
  /** Writes out what is buffered; for the end of the process. */
  flush(): void
}

let stampedMs = 0
let stamp = ''

/** `,"time":"<ISO 8601>"`, made once per millisecond: a busy relay writes several lines in one. */
function timestamp(): string {
  const now = Date.now()
  if (now !== stampedMs) {
    stampedMs = now
    stamp = `,"time":"${new Date(now).toISOString()}"`
  }
  return stamp
}

/**
 * JSON lines on standard output. Nothing secret is ever handed to it: tokens, keys and URI queries stay with the
 * code that needs them, and a test reads every line of a whole run for them. Redacting by name would cost a busy
 * relay three percent of its time and hide such a mistake instead of showing it.
 */
export function createLog(level: string): Log {
  const stream = new LineBuffer()
  const logger = pino(
    { level, base: null, timestamp, formatters: { level: (label) => ({ level: label }) } },
    stream,
  )
  return { logger, flush: () => stream.flushSync() }
}
