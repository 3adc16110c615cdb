import { type DestinationStream, destination, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

export interface Log {
  readonly logger: Logger
  /** Writes out what is buffered; for the end of the process. */
  flush(): void
}

let stampedMs = 0
let stamp = ''

/** ISO 8601, made once per millisecond: a busy relay writes several lines in one. */
function timestamp(): string {
  const now = Date.now()
  if (now !== stampedMs) {
    stampedMs = now
    stamp = `,"time":"${new Date(now).toISOString()}"`
  }
  return stamp
}

/** Lines are collected up to that many bytes: a write per line would cost a busy relay a tenth of its time. */
const BUFFER_BYTES = 8 * 1_024
const FLUSH_MS = 100

/**
 * JSON lines on standard output. Nothing secret is ever handed to it: tokens, keys and URI queries stay with the code
 * that needs them, and a test reads every line of a whole run for them. Redacting by name would cost a busy relay
 * three percent of its time and hide such a mistake instead of showing it.
 */
export function createLog(level: string, stream?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  if (stream !== undefined) return { logger: pino(options, stream), flush: () => undefined }
  const out = destination({ dest: 1, sync: false, minLength: BUFFER_BYTES })
  const timer = setInterval(() => out.flush(), FLUSH_MS)
  timer.unref()
  return {
    logger: pino(options, out),
    flush: () => {
      clearInterval(timer)
      try {
        out.flushSync()
      } catch {
        // The stream was not open yet, or its reader is gone: nothing is left to be done about it.
      }
    },
  }
}
