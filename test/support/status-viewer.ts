import type { StatusSnapshot } from '../../src/status/status-snapshot.ts'
import { PATIENCE_MS } from './patience.ts'
import type { RelayProcess } from './relay-process.ts'
import { WatchedList } from './watched-list.ts'

/** Watches a relay's `/events` as a page does. */
export class StatusViewer {
  readonly snapshots = new WatchedList<StatusSnapshot>()
  /** All that was received. */
  text = ''
  readonly #abort = new AbortController()
  /** Resolves when the relay has ended the stream, or it was closed here. */
  readonly ended: Promise<void>

  static async open({ url }: Pick<RelayProcess, 'url'>): Promise<StatusViewer> {
    const abort = new AbortController()
    const response = await fetch(`${url}/events`, { signal: abort.signal })
    if (response.status !== 200 || response.body === null)
      throw new Error(`/events answers ${response.status}`)
    return new StatusViewer(response.body, abort)
  }

  private constructor(body: ReadableStream<Uint8Array>, abort: AbortController) {
    this.#abort = abort
    this.ended = this.#read(body).catch(() => undefined)
  }

  /** Resolves with the first snapshot that matches, an earlier one included. */
  waitFor(matches: (snapshot: StatusSnapshot) => boolean, timeoutMs = PATIENCE_MS): Promise<StatusSnapshot> {
    const last = () => JSON.stringify(this.snapshots.items.at(-1))
    return this.snapshots.waitFor(
      matches,
      timeoutMs,
      () => new Error(`no such snapshot; the last: ${last()}`),
    )
  }

  close(): void {
    this.#abort.abort()
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder()
    let rest = ''
    for await (const chunk of body) {
      const piece = decoder.decode(chunk, { stream: true })
      this.text += piece
      const events = (rest + piece).split('\n\n')
      rest = events.pop() ?? ''
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1]
        if (data !== undefined) this.snapshots.add(JSON.parse(data) as StatusSnapshot)
      }
    }
  }
}
