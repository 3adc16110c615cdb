import type { IncomingMessage, ServerResponse } from 'node:http'
import { EventStream } from './event-stream.ts'
import { readPage } from './page.ts'
import { type SnapshotSources, StatusReader } from './status-snapshot.ts'

const INTERVAL_MS = 1_000
/** More would cost the relay more than they are worth; a wall of screens needs Grafana. */
const VIEWERS_MAX = 20

/** The page at `/` and its events at `/events`. */
export class StatusPage {
  readonly #page = readPage()
  readonly #reader: StatusReader
  readonly #stream: EventStream

  constructor(sources: SnapshotSources) {
    this.#reader = new StatusReader(sources)
    this.#stream = new EventStream({
      read: () => this.#reader.read(),
      intervalMs: INTERVAL_MS,
      viewersMax: VIEWERS_MAX,
    })
  }

  /** Begins to remember how the counters move. */
  start(): void {
    this.#reader.throughput.start()
  }

  /** Answers a GET or HEAD of one of its paths; false, with nothing done, for any other path. */
  answer(path: string, request: IncomingMessage, response: ServerResponse): boolean {
    if (path === '/events') {
      this.#stream.open(request, response)
      return true
    }
    if (path !== '/') return false
    const { headers, html } = this.#page
    response.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(html) })
    response.end(request.method === 'HEAD' ? undefined : html)
    return true
  }

  /** Lets every viewer go. */
  close(): void {
    this.#reader.throughput.stop()
    this.#stream.close()
  }
}
