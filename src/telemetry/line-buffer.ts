import { once } from 'node:events'
import { type DestinationStream, destination } from 'pino'
import { settledWithin } from '../lib/deferred.ts'
import { codeOf } from '../lib/errors.ts'
import { printableJson } from '../lib/printable.ts'

const BUFFER_BYTES = 16 * 1_024
const UTF8_BYTES_PER_CHARACTER_MAX = 3
const FLUSH_MS = 100
/** What may wait for a reader that is slow or has stopped: some seconds of a busy relay. */
const WAITING_BYTES_MAX = 4 * 1_024 * 1_024

/**
 * Standard output in large pieces: a call for each line costs a busy relay more than making the line. What is
 * collected is written after a tenth of a second at the latest, and at the end of the process. It is collected as
 * bytes, because lines that wait as texts would be copied twice more on their way out.
 *
 * Nothing waits for whoever reads. When too much is unread, lines are dropped and counted until all of it is read; then
 * one line says how many there were.
 */
export class LineBuffer implements DestinationStream {
  /** Lines that nobody will read. */
  dropped = 0
  readonly #out = destination({
    dest: 1,
    sync: false,
    contentMode: 'buffer',
    maxLength: WAITING_BYTES_MAX,
  })
  readonly #timer = setInterval(() => this.#pass(), FLUSH_MS)
  readonly #droppedLine: (lines: number) => string
  #bytes = Buffer.allocUnsafe(BUFFER_BYTES)
  #length = 0
  #lines = 0
  #isDropping = false
  #isWriting = false
  #toldOf = 0

  /** `droppedLine`: what is said once the reader has caught up. */
  constructor(droppedLine: (lines: number) => string) {
    this.#droppedLine = droppedLine
    this.#timer.unref()
    this.#out.on('drop', () => {
      this.#isDropping = true
    })
    this.#out.on('drain', () => {
      this.#isWriting = false
      this.#goOn()
    })
    this.#out.on('error', (error) => {
      // The reader is gone, and the stream takes no more. All else ends the process, as without this listener.
      if (codeOf(error) !== 'EPIPE') throw error
      this.#isWriting = false
      this.#isDropping = true
    })
  }

  write(text: string): void {
    if (this.#isDropping) {
      this.dropped++
      return
    }
    const line = printableJson(text)
    const most = line.length * UTF8_BYTES_PER_CHARACTER_MAX
    if (this.#length + most > BUFFER_BYTES) this.#pass()
    if (most > BUFFER_BYTES) this.#write(Buffer.from(line), 1)
    else {
      this.#length += this.#bytes.write(line, this.#length)
      this.#lines++
    }
  }

  /** Resolves with whether everything is written, after so many milliseconds at most. */
  async written(ms: number): Promise<boolean> {
    this.#pass()
    if (this.#isWriting) await settledWithin(once(this.#out, 'drain'), ms)
    return !this.#isWriting
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
    this.#write(Buffer.from(this.#bytes.subarray(0, this.#length)), this.#lines)
    this.#length = 0
    this.#lines = 0
  }

  #write(bytes: Buffer, lines: number): void {
    // Nothing is read of one that is too large by itself, and nothing tells the end of that.
    const isTooLarge = bytes.length > WAITING_BYTES_MAX
    if (!this.#isDropping && !isTooLarge) {
      this.#isWriting = true
      // Typed for texts only; in this mode it takes bytes.
      this.#out.write(bytes as unknown as string)
    }
    if (this.#isDropping || isTooLarge) this.dropped += lines
  }

  #goOn(): void {
    if (!this.#isDropping) return
    this.#isDropping = false
    const lines = this.dropped - this.#toldOf
    this.#toldOf = this.dropped
    this.write(this.#droppedLine(lines))
  }
}
