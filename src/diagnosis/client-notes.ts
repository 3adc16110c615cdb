import type { ClientNote } from '../delivery/client-policy.ts'
import type { Clock } from '../lib/clock.ts'

export interface NotedClient {
  readonly clientId: string
  readonly note: ClientNote
}

export interface ClientNotesOptions {
  readonly clock: Clock
  /** It was not known, or said something else. */
  readonly onNew: (noted: NotedClient) => void
}

/** Long enough for whoever looks once a day. */
const KEPT_MS = 24 * 60 * 60_000
/** Whoever makes clients up must not fill the page. */
const KEPT_MAX = 50

/** Keeps what was noted of clients until it is looked at, one note of a kind for each. */
export class ClientNotes {
  readonly #options: ClientNotesOptions
  readonly #noted = new Map<string, NotedClient & { atMs: number }>()

  constructor(options: ClientNotesOptions) {
    this.#options = options
  }

  add(clientId: string, note: ClientNote): void {
    const { clock, onNew } = this.#options
    const key = `${note.kind} ${clientId}`
    const known = this.#noted.get(key)
    if (known !== undefined && isSame(known.note, note)) {
      known.atMs = clock.now()
      return
    }
    this.#noted.delete(key)
    this.#noted.set(key, { clientId, note, atMs: clock.now() })
    for (const oldest of this.#noted.keys()) {
      if (this.#noted.size <= KEPT_MAX) break
      this.#noted.delete(oldest)
    }
    onNew({ clientId, note })
  }

  read(): readonly NotedClient[] {
    const sinceMs = this.#options.clock.now() - KEPT_MS
    return [...this.#noted.values()].filter(({ atMs }) => atMs > sinceMs)
  }
}

/** Which of its addresses a name came to is no news. */
function isSame(a: ClientNote, b: ClientNote): boolean {
  return JSON.stringify({ ...a, why: '' }) === JSON.stringify({ ...b, why: '' })
}
