import { type DestinationStream, destination } from 'pino'
import { printableJson } from '../lib/printable.ts'

const BUFFER_BYTES = 16 * 1_024
const UTF8_BYTES_PER_CHARACTER_MAX = 3
const FLUSH_MS = 100

/**
 * Standard output in large pieces: a call for each line costs a busy relay more than making the line. What is
 * collected is written after a tenth of a second at the latest, and at the end of the process. It is collected as
 * bytes, because lines that wait as texts would be copied twice more on their way out.
 */
export class LineBuffer implements DestinationStream {
  readonly #out = destination({ dest: 1, sync: false, contentMode: 'buffer' })
  readonly #timer = setInterval(() => this.#pass(), FLUSH_MS)
  #bytes = Buffer.allocUnsafe(BUFFER_BYTES)
  #length = 0

  constructor() {
    this.#timer.unref()
  }

  write(text: string): void {
    const line = printableJson(text)
    const most = line.length * UTF8_BYTES_PER_CHARACTER_MAX
    if (this.#length + most > BUFFER_BYTES) this.#pass()
    if (most > BUFFER_BYTES) this.#write(Buffer.from(line))
    else this.#length += this.#bytes.write(line, this.#length)
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
    // The stream keeps what it is given until it is written.
    this.#write(Buffer.from(this.#bytes.subarray(0, this.#length)))
    this.#length = 0
  }

  #write(bytes: Buffer): void {
    // Typed for texts only; in this mode it takes bytes.
    this.#out.write(bytes as unknown as string)
  }
}
