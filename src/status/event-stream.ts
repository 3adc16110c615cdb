import type { IncomingMessage, ServerResponse } from 'node:http'
import { delay } from '../lib/deferred.ts'

export interface EventStreamOptions {
  /** Called once per interval for all viewers together, and only while there is one. */
  readonly read: () => Promise<unknown>
  readonly intervalMs: number
  readonly viewersMax: number
}

/** A viewer whose connection takes nothing for so many snapshots is dropped; it may come back by itself. */
const MISSED_MAX = 10
const RETRY_MS = 2_000

/**
 * Server-sent events: a snapshot after each interval, the same for all viewers. A viewer has at most one snapshot
 * under way: one that is slow misses some, and one that is stuck is dropped, so that nothing piles up here.
 */
export class EventStream {
  readonly #options: EventStreamOptions
  readonly #missed = new Map<ServerResponse, number>()
  readonly #closed = new AbortController()
  #isRunning = false
  #latest = ''

  constructor(options: EventStreamOptions) {
    this.#options = options
  }

  get viewers(): number {
    return this.#missed.size
  }

  /**
   * Answers the request with the stream. Whoever comes is let in: when enough are watching, the one that takes least goes,
   * or else the one that has watched longest. A page comes back by itself, and one that only holds its place does not.
   */
  open(request: IncomingMessage, response: ServerResponse): void {
    if (this.#closed.signal.aborted) {
      response.writeHead(503, { 'content-type': 'text/plain', 'retry-after': '10' })
      response.end(request.method === 'HEAD' ? undefined : 'the relay is stopping\n')
      return
    }
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      // nginx would collect them.
      'x-accel-buffering': 'no',
    })
    if (request.method === 'HEAD') {
      response.end()
      return
    }
    response.on('close', () => this.#missed.delete(response))
    response.on('error', () => this.#missed.delete(response))
    if (this.#missed.size >= this.#options.viewersMax) this.#evict()
    this.#missed.set(response, 0)
    response.write(`retry: ${RETRY_MS}\n\n${this.#latest}`)
    if (!this.#isRunning) void this.#run()
  }

  /** Ends every stream, and lets nobody in any more. */
  close(): void {
    this.#closed.abort()
    for (const response of this.#missed.keys()) response.end()
    this.#missed.clear()
  }

  #evict(): void {
    // Those who came first stand first, and are found first among equals.
    const [least] = [...this.#missed].sort(([, a], [, b]) => b - a)
    if (least === undefined) return
    this.#missed.delete(least[0])
    least[0].destroy()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    const { signal } = this.#closed
    while (this.#missed.size > 0 && !signal.aborted) {
      this.#latest = await this.#frame()
      for (const response of this.#missed.keys()) this.#send(response, this.#latest)
      await delay(this.#options.intervalMs, signal)
    }
    // Whoever comes next must not be shown what is long past.
    this.#latest = ''
    this.#isRunning = false
  }

  #send(response: ServerResponse, frame: string): void {
    if (!response.writableNeedDrain) {
      this.#missed.set(response, 0)
      response.write(frame)
      return
    }
    const missed = (this.#missed.get(response) ?? 0) + 1
    this.#missed.set(response, missed)
    if (missed >= MISSED_MAX) response.destroy()
  }

  async #frame(): Promise<string> {
    try {
      // JSON has no line breaks, which would end the event.
      return `data: ${JSON.stringify(await this.#options.read())}\n\n`
    } catch {
      // A comment: shows that the relay is there, and that a connection without news is not dead.
      return ': no snapshot\n\n'
    }
  }
}
