import type { ClientChange } from '../events/client.ts'
import type { Registration } from '../events/registration.ts'
import {
  type ClientHistory,
  type CurrentState,
  currentState,
  mergeHistories,
  stateIn,
} from '../registry/client-history.ts'

type OnChanged = (rpKey: string, state: CurrentState | undefined) => void

/** Whoever writes records can make clients up. Above that many, those that were always active are forgotten. */
const KEPT_MAX = 20_000

/**
 * Which clients are paused or retired, as far as this process has read it: in records, and in the registry, where the other
 * replicas write it. Both only add to what is known, in any order.
 */
export class ClientStates {
  readonly #histories = new Map<string, ClientHistory>()
  /** By issuer and client id: since when. Milliseconds since the epoch. */
  readonly #retired = new Map<string, Map<string, number>>()
  readonly #watchers: OnChanged[] = []
  readonly #isShadow: boolean

  /** In shadow mode nothing is sent, so a pause holds nothing back: what was parked for it would be owed for ever. */
  constructor({ isShadow = false } = {}) {
    this.#isShadow = isShadow
  }

  /** By `<issuer>|<clientId>`; `undefined` for a client that is active and never was paused. */
  of(rpKey: string): CurrentState | undefined {
    const history = this.#histories.get(rpKey)
    return history === undefined ? undefined : this.#current(history)
  }

  /** `onChanged` is called for each client whose state has changed. */
  watch(onChanged: OnChanged): void {
    this.#watchers.push(onChanged)
  }

  /** What a record says. */
  note(change: ClientChange): void {
    const state = stateIn(change)
    const { atMs, clientId, issuer } = change
    if (state !== undefined) this.add(`${issuer}|${clientId}`, [{ atMs, state }])
  }

  add(rpKey: string, history: ClientHistory): void {
    const known = this.#histories.get(rpKey)
    const merged = known === undefined ? history : mergeHistories(known, history)
    if (known === undefined && this.#histories.size >= KEPT_MAX) this.#forgetActive()
    this.#histories.set(rpKey, merged)
    const state = this.#current(merged)
    this.#noteRetired(rpKey, state)
    for (const onChanged of this.#watchers) onChanged(rpKey, state)
  }

  /** Whether the registration was made after its client was retired. One from before is owed its outcome. */
  refuses({ issuer, clientId, registeredAtMs = Number.POSITIVE_INFINITY }: Registration): boolean {
    if (this.#retired.size === 0) return false
    const sinceMs = this.#retired.get(issuer)?.get(clientId)
    return sinceMs !== undefined && registeredAtMs > sinceMs
  }

  isRetired({ issuer, clientId }: Pick<Registration, 'issuer' | 'clientId'>): boolean {
    return this.#retired.get(issuer)?.has(clientId) === true
  }

  #current(history: ClientHistory): CurrentState | undefined {
    const state = currentState(history)
    return this.#isShadow && state?.kind !== 'retired' ? undefined : state
  }

  #noteRetired(rpKey: string, state: CurrentState | undefined): void {
    const bar = rpKey.indexOf('|')
    const [issuer, clientId] = [rpKey.slice(0, bar), rpKey.slice(bar + 1)]
    const ofIssuer = this.#retired.get(issuer) ?? new Map<string, number>()
    if (state?.kind === 'retired') this.#retired.set(issuer, ofIssuer.set(clientId, state.sinceMs))
    else if (ofIssuer.delete(clientId) && ofIssuer.size === 0) this.#retired.delete(issuer)
  }

  #forgetActive(): void {
    for (const [rpKey, history] of this.#histories)
      if (currentState(history) === undefined) this.#histories.delete(rpKey)
  }
}
