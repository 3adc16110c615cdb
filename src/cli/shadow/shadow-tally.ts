import type { OutcomeDetails } from '../../events/read-outcome-details.ts'
import type { Trigger } from '../../events/trigger.ts'

/** Deliveries that would not have been sent, for one reason. */
export interface ShadowProblem {
  readonly would: string
  readonly error: string
  readonly deliveries: number
}

/** What shadow mode found at one RP. */
export interface ShadowRow extends Record<string, unknown> {
  readonly issuer: string
  readonly clientId: string
  readonly deliveries: number
  readonly send: number
  /** The most frequent first. */
  readonly problems: readonly ShadowProblem[]
  /** Scheme, host and port of where they would have gone. */
  readonly origins: readonly string[]
}

export interface TriggerCounts {
  readonly triggers: number
  /** Nobody was registered for their sessions. */
  readonly withoutRegistration: number
}

interface Client {
  readonly issuer: string
  readonly clientId: string
  send: number
  readonly problems: Map<string, { would: string; error: string; deliveries: number }>
  readonly origins: Set<string>
}

/** Kinds of problems, and origins, that are kept for one RP; further ones are counted together. */
const KINDS_MAX = 20

/**
 * Adds up the outcomes of shadow mode by RP, each once however often it is on the topic, and the triggers that led to none.
 * Keeps an id for each outcome, session and user.
 */
export class ShadowTally {
  readonly #ids = new Set<string>()
  readonly #clients = new Map<string, Client>()
  /** What had an outcome: triggers, sessions, users. */
  readonly #known = new Set<string>()
  #firstMs = Number.POSITIVE_INFINITY
  #triggers = 0
  #withoutRegistration = 0

  get deliveries(): number {
    return this.#ids.size
  }

  /** Outcomes before the triggers. `id` and `writtenMs` (since the epoch): those of the outcome's record. */
  add(id: string, outcome: OutcomeDetails, writtenMs: number): void {
    this.#firstMs = Math.min(this.#firstMs, writtenMs)
    const { clientId = '?', error = '', issuer, origin, sessionId, triggerId, userId, would = '?' } = outcome
    this.#known.add(`session\n${issuer}\n${sessionId}`)
    if (userId !== undefined) this.#known.add(`user\n${issuer}\n${userId}`)
    if (triggerId !== undefined) this.#known.add(`trigger\n${triggerId}`)
    if (this.#ids.has(id)) return
    this.#ids.add(id)
    const client = this.#clientOf(issuer, clientId)
    if (origin !== undefined && client.origins.size < KINDS_MAX) client.origins.add(origin)
    if (would === 'send') client.send++
    else this.#addProblem(client, would, error)
  }

  /**
   * With `writtenMs`, when its record was written, a trigger from before the first outcome counts only if it led to one: there
   * was no shadow then, as far as is known.
   */
  take({ issuer, origin, sessionId, userId }: Trigger, writtenMs?: number): void {
    const names = [`trigger\n${origin.id}`]
    if (sessionId !== undefined) names.push(`session\n${issuer}\n${sessionId}`)
    else if (userId !== undefined) names.push(`user\n${issuer}\n${userId}`)
    const isKnown = names.some((name) => this.#known.has(name))
    if (!isKnown && writtenMs !== undefined && writtenMs < this.#firstMs) return
    this.#triggers++
    if (!isKnown) this.#withoutRegistration++
  }

  get counts(): TriggerCounts {
    return { triggers: this.#triggers, withoutRegistration: this.#withoutRegistration }
  }

  /** By client, those with most problems first. */
  rows(clientId?: string): ShadowRow[] {
    const rows = [...this.#clients.values()]
      .filter((it) => clientId === undefined || it.clientId === clientId)
      .map(({ issuer, origins, problems, send, ...it }): ShadowRow => {
        const found = [...problems.values()].sort((a, b) => b.deliveries - a.deliveries)
        const deliveries = found.reduce((sum, problem) => sum + problem.deliveries, send)
        return { issuer, clientId: it.clientId, deliveries, send, problems: found, origins: [...origins] }
      })
    return rows.sort(
      (a, b) => b.deliveries - b.send - (a.deliveries - a.send) || a.clientId.localeCompare(b.clientId),
    )
  }

  #clientOf(issuer: string, clientId: string): Client {
    const name = `${issuer}\n${clientId}`
    let client = this.#clients.get(name)
    if (client === undefined) {
      client = { issuer, clientId, send: 0, problems: new Map(), origins: new Set() }
      this.#clients.set(name, client)
    }
    return client
  }

  #addProblem({ problems }: Client, would: string, error: string): void {
    const name = `${would}\n${error}`
    const isKnown = problems.has(name) || problems.size < KINDS_MAX
    const [key, text] = isKnown ? [name, error] : [`${would}\n…`, 'other reasons']
    const problem = problems.get(key)
    if (problem === undefined) problems.set(key, { would, error: text, deliveries: 1 })
    else problem.deliveries++
  }
}
