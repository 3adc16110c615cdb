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

interface Kept extends NotedClient {
  readonly atMs: number
  /** How often it was noted: a real client goes on, and whoever makes clients up needs another one each time. */
  readonly times: number
}

/**
 * Keeps what was noted of clients until it is looked at, one note of a kind for each. When there are too many, the kind
 * that has the most gives up the one that was noted least often, and longest ago.
 */
export class ClientNotes {
  readonly #options: ClientNotesOptions
  /** By kind, then by client; what was noted last stands last. */
  readonly #noted = new Map<ClientNote['kind'], Map<string, Kept>>()

  constructor(options: ClientNotesOptions) {
    this.#options = options
  }

  add(clientId: string, note: ClientNote): void {
    const { clock, onNew } = this.#options
    const ofKind = this.#noted.get(note.kind) ?? new Map<string, Kept>()
    this.#noted.set(note.kind, ofKind)
    const known = ofKind.get(clientId)
    const isKnown = known !== undefined && isSame(known.note, note)
    ofKind.delete(clientId)
    const kept = { clientId, note: isKnown ? known.note : note, atMs: clock.now() }
    ofKind.set(clientId, { ...kept, times: (known?.times ?? 0) + 1 })
    if (isKnown) return
    if (this.#all().length > KEPT_MAX) this.#forgetOne(clientId)
    onNew({ clientId, note })
  }

  read(): readonly NotedClient[] {
    const sinceMs = this.#options.clock.now() - KEPT_MS
    return this.#all().filter(({ atMs }) => atMs > sinceMs)
  }

  #all(): Kept[] {
    return [...this.#noted.values()].flatMap((ofKind) => [...ofKind.values()])
  }

  /** Not the newest, or what is noted once everything has been noted often would never be seen. */
  #forgetOne(newest: string): void {
    const most = Math.max(...[...this.#noted.values()].map(({ size }) => size))
    const [, ofKind] = [...this.#noted]
      .filter(([, { size }]) => size === most)
      // Tokens that go elsewhere than the client's registrations say matter most.
      .sort(([a], [b]) => Number(a === 'origin-overridden') - Number(b === 'origin-overridden'))[0] as [
      ClientNote['kind'],
      Map<string, Kept>,
    ]
    let least: Kept | undefined
    for (const kept of ofKind.values()) {
      if (kept.clientId !== newest && (least === undefined || kept.times < least.times)) least = kept
    }
    if (least !== undefined) ofKind.delete(least.clientId)
  }
}

/** Which of its addresses a name came to is no news. */
function isSame(a: ClientNote, b: ClientNote): boolean {
  return JSON.stringify({ ...a, why: '' }) === JSON.stringify({ ...b, why: '' })
}
