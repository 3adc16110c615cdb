import { type DestinationStream, destination, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

export interface Log {
  readonly logger: Logger
  /** Writes out what is buffered; for the end of the process. */
  flush(): void
}

/** Lines are collected up to that many bytes: a write per line would cost a busy relay a tenth of its time. */
const BUFFER_BYTES = 8 * 1_024
const FLUSH_MS = 100

/** JSON lines on standard output. Names that could hold a secret are blanked wherever they appear. */
export function createLog(level: string, stream?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: {
      paths: [
        'token',
        'logout_token',
        'authorization',
        'password',
        '*.token',
        '*.logout_token',
        '*.authorization',
        '*.password',
      ],
      censor: '[redacted]',
    },
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
