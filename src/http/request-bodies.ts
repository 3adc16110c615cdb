import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

export type BodyResult =
  | { readonly kind: 'body'; readonly bytes: Buffer }
  | { readonly kind: 'too-large' }
  /** It was taking long while others needed its memory. */
  | { readonly kind: 'evicted' }
  /** The client went away, or took too long. */
  | { readonly kind: 'aborted' }

export interface RequestBodiesOptions {
  /** Of one body. */
  readonly bytesMax: number
  /** Of all bodies that are being read. */
  readonly totalBytesMax: number
}

interface Reading {
  bytes: number
  readonly end: (result: BodyResult) => void
}

/** What is still read of a body that is refused, so that its sender can read the answer; then the connection is closed. */
const DISCARDED_BYTES_MAX = 8 * 1_024 * 1_024
const DISCARDED_MS_MAX = 2_000

/** Reads the bodies of requests within a bound of memory. Of bodies that do not fit, the one that has taken longest gives way. */
export class RequestBodies {
  readonly #options: RequestBodiesOptions
  /** The oldest first. */
  readonly #readings = new Set<Reading>()
  #bytes = 0

  constructor(options: RequestBodiesOptions) {
    this.#options = options
  }

  /** Never throws. A body that is larger by its own statement is not read at all. */
  read(request: IncomingMessage, response: ServerResponse): Promise<BodyResult> {
    if (Number(request.headers['content-length'] ?? 0) > this.#options.bytesMax)
      return Promise.resolve({ kind: 'too-large' })
    if (request.headers.expect !== undefined) response.writeContinue()
    return new Promise((resolve) => {
      const chunks: Buffer[] = []
      const reading: Reading = {
        bytes: 0,
        end: (result) => {
          if (!this.#readings.delete(reading)) return
          this.#bytes -= reading.bytes
          request.off('data', onData).off('end', onEnd).off('close', onClose)
          resolve(result)
        },
      }
      const onData = (chunk: Buffer): void => {
        reading.bytes += chunk.length
        this.#bytes += chunk.length
        if (reading.bytes > this.#options.bytesMax) {
          reading.end({ kind: 'too-large' })
          return
        }
        chunks.push(chunk)
        if (this.#bytes > this.#options.totalBytesMax) this.#evict()
      }
      const onEnd = (): void => reading.end({ kind: 'body', bytes: Buffer.concat(chunks) })
      const onClose = (): void => reading.end({ kind: 'aborted' })
      this.#readings.add(reading)
      request.on('data', onData).on('end', onEnd).on('close', onClose)
      // What it emits when its client goes away; `close` follows.
      request.on('error', () => undefined)
    })
  }

  #evict(): void {
    const [oldest] = this.#readings
    oldest?.end({ kind: 'evicted' })
  }
}

/**
 * Resolves when the rest of a body has come, or enough of it. Until then the connection must stay: one that is closed while
 * its client still sends is reset, and the client never reads the answer.
 */
export async function discardBody(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return
  const ended = new AbortController()
  let bytes = 0
  const end = (): void => ended.abort()
  request.on('error', end).on('close', end).on('end', end)
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > DISCARDED_BYTES_MAX) end()
  })
  await delay(DISCARDED_MS_MAX, undefined, { signal: ended.signal, ref: false }).catch(() => undefined)
}
