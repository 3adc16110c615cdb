import { delay } from '../lib/deferred.ts'
import type { EpochGuard } from '../registry/epoch-guard.ts'
import type { EpochStore } from './epoch-store.ts'
import type { Rebuild } from './rebuild.ts'

export interface RegistryWatchOptions {
  readonly epoch: EpochStore
  readonly guard: EpochGuard
  readonly rebuild: Pick<Rebuild, 'ensure'>
  readonly onLost: () => void
  readonly onError: (error: unknown, failures: number) => void
}

/** Between two looks at the epoch. Intake checks it with every step, so this is for times when nothing comes in. */
const LOOK_MS = 500
const RETRY_MS_MAX = 5_000

/** Notices that the store has lost the registry, and has it built anew; until then nothing is taken from the log. */
export class RegistryWatch {
  readonly #options: RegistryWatchOptions
  #running: Promise<void> | undefined

  constructor(options: RegistryWatchOptions) {
    this.#options = options
  }

  /** Resolves when the registry is what the log says for the first time; goes on watching until `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#restore(signal)
    this.#running ??= this.#watch(signal)
  }

  async stopped(): Promise<void> {
    await this.#running
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { epoch, guard, onLost } = this.#options
    while (!signal.aborted) {
      await delay(LOOK_MS, signal)
      if (signal.aborted) return
      // A store that cannot be reached tells nothing; intake waits for it by itself.
      const isIntact = await epoch.read().then(
        (found) => guard.accepts(found),
        () => true,
      )
      if (isIntact) continue
      guard.lose()
      onLost()
      await this.#restore(signal)
    }
  }

  async #restore(signal: AbortSignal): Promise<void> {
    const { guard, onError, rebuild } = this.#options
    for (let failures = 0; !signal.aborted; ) {
      try {
        const epoch = await rebuild.ensure(signal)
        if (epoch !== undefined) guard.adopt(epoch)
        return
      } catch (error) {
        if (signal.aborted) return
        failures++
        onError(error, failures)
        await delay(Math.min(250 * 2 ** (failures - 1), RETRY_MS_MAX), signal)
      }
    }
  }
}
