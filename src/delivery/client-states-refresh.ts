import { delay } from '../lib/deferred.ts'
import type { ClientStatesStore } from '../registry/client-states-store.ts'
import type { ClientStates } from './client-states.ts'

/** A pause is in force on every replica within a second. While nothing changes a look costs one small read. */
const LOOK_MS = 500

/** Learns from the registry what other replicas have read of clients. */
export class ClientStatesRefresh {
  readonly #states: ClientStates
  readonly #store: ClientStatesStore
  #version: string | undefined
  #running: Promise<void> | undefined

  constructor(states: ClientStates, store: ClientStatesStore) {
    this.#states = states
    this.#store = store
  }

  /** Throws when the store cannot be reached. */
  async look(): Promise<void> {
    const found = await this.#store.read(this.#version)
    if (found === undefined) return
    for (const [rpKey, history] of found.histories) this.#states.add(rpKey, history)
    this.#version = found.version
  }

  /** Resolves after the first look that succeeded; goes on until `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !(await this.#didLook())) await delay(LOOK_MS, signal)
    this.#running ??= this.#goOn(signal)
  }

  async #goOn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(LOOK_MS, signal)
      if (!signal.aborted) await this.#didLook()
    }
  }

  /** A store that is away is told of elsewhere; what is known stays. */
  #didLook(): Promise<boolean> {
    return this.look().then(
      () => true,
      () => false,
    )
  }
}
