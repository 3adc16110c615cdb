import { WatchedList } from './watched-list.ts'

/** A line of the relay's log. What is not JSON, such as the report of a crash, is a line with `msg` alone. */
export interface LogLine {
  readonly level?: string
  readonly msg?: string
  readonly [name: string]: unknown
}

const TAIL_LINES = 15

/** The log of one relay process as it grows. */
export class RelayLog {
  readonly #lines = new WatchedList<LogLine>()

  get lines(): readonly LogLine[] {
    return this.#lines.items
  }

  add(text: string): void {
    this.#lines.add(parseLogLine(text))
  }

  end(reason: string): void {
    this.#lines.end(() => this.failure(reason))
  }

  waitFor(matches: (line: LogLine) => boolean, timeoutMs: number): Promise<LogLine> {
    return this.#lines.waitFor(matches, timeoutMs, () =>
      this.failure(`waited ${timeoutMs} ms for a log line in vain`),
    )
  }

  /** An error that shows what the relay said last. */
  failure(message: string): Error {
    const tail = this.lines.slice(-TAIL_LINES).map((line) => `  ${JSON.stringify(line)}`)
    return new Error([`${message}; its log ends with`, ...tail].join('\n'))
  }
}

export function parseLogLine(text: string): LogLine {
  try {
    const json: unknown = JSON.parse(text)
    if (typeof json === 'object' && json !== null) return json as LogLine
  } catch {
    // Not a line of the logger.
  }
  return { msg: text }
}
