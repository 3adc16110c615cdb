import { type Logger, pino } from 'pino'
import { LineBuffer } from './line-buffer.ts'

export type { Logger } from 'pino'

export interface Log {
  readonly logger: Logger
  /** Takes a whole line with its end, for the one place that makes its line itself. */
  writeLine(line: string): void
  /** Lines that were dropped because nobody read them. */
  dropped(): number
  /** Resolves with whether everything is written, after so many milliseconds at most. */
  written(ms: number): Promise<boolean>
  /** Writes out what is buffered; for the end of the process. */
  flush(): void
}

/**
 * JSON lines on standard output. Nothing secret is ever handed to it: tokens, keys and URI queries stay with the
 * code that needs them, and a test reads every line of a whole run for them. Redacting by name would cost a busy
 * relay three percent of its time and hide such a mistake instead of showing it.
 */
export function createLog(level: string): Log {
  const stream = new LineBuffer(droppedLine)
  const logger = pino(
    {
      level,
      base: null,
      timestamp,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  )
  return {
    logger,
    writeLine: (line) => stream.write(line),
    dropped: () => stream.dropped,
    written: (ms) => stream.written(ms),
    flush: () => stream.flushSync(),
  }
}

let stampMs = 0
let stamp = ''

/** As pino writes it; made once for all lines of a millisecond. */
export function timestamp(): string {
  const now = Date.now()
  if (now !== stampMs) {
    stampMs = now
    stamp = `,"time":"${new Date(now).toISOString()}"`
  }
  return stamp
}

function droppedLine(lines: number): string {
  const msg = 'standard output was not read: the lines before this one are missing'
  return `{"level":"warn"${timestamp()},"lines":${lines},"msg":"${msg}"}\n`
}
