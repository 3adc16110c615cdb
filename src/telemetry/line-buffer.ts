import { type DestinationStream, destination } from 'pino'

const BUFFER_BYTES = 16 * 1_024
const FLUSH_MS = 100

/**
 * Standard output in large pieces: a call for each line costs a busy relay more than making the line. What is
 * collected is written after a tenth of a second at the latest, and at the end of the process.
 */
export class LineBuffer implements DestinationStream {
  readonly #out = destination({ dest: 1, sync: false })
  readonly #timer = setInterval(() => this.#pass(), FLUSH_MS)
  #lines: string[] = []
  #length = 0

  constructor() {
    this.#timer.unref()
  }

  write(line: string): void {
    this.#lines.push(line)
    this.#length += line.length
    if (this.#length >= BUFFER_BYTES) this.#pass()
  }

  /** Writes out everything, waiting for it; for the end of the process. */
  flushSync(): void {
    clearInterval(this.#timer)
    this.#pass()
    try {
      this.#out.flushSync()
    } catch {
      // The stream was not open yet, or its reader is gone: nothing is left to be done about it.
    }
  }

  #pass(): void {
    if (this.#length === 0) return
    this.#out.write(this.#lines.join(''))
    this.#lines = []
    this.#length = 0
  }
}
