import { type Logger, pino, stdTimeFunctions } from 'pino'
import { LineBuffer } from './line-buffer.ts'

export type { Logger } from 'pino'

export interface Log {
  readonly logger: Logger
  /** Writes out what is buffered; for the end of the process. */
  flush(): void
}

/**
 * JSON lines on standard output. Nothing secret is ever handed to it: tokens, keys and URI queries stay with the
 * code that needs them, and a test reads every line of a whole run for them. Redacting by name would cost a busy
 * relay three percent of its time and hide such a mistake instead of showing it.
 */
export function createLog(level: string): Log {
  const stream = new LineBuffer()
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  )
  return { logger, flush: () => stream.flushSync() }
}
