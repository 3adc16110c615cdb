import { randomUUID } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import { RelayFault } from '../lib/errors.ts'
import type { EpochStore } from '../registry/epoch-store.ts'

export interface RebuildLockOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly epoch: Pick<EpochStore, 'lock' | 'renew' | 'unlock'>
}

/** How long the others wait for a replica that died. A replica that was suspended for so long starts over. */
const LOCK_MS = 4_000
const RENEW_MS = 1_000
const WAIT_MS = 250

/**
 * The lock under which one replica at a time completes the store: two would confirm what neither has applied completely. It
 * runs out soon, so that a replica that dies is soon replaced. So its holder also keeps the time itself: one that was
 * suspended finds its lock expired before it writes again, however late it hears that another has it.
 */
export class RebuildLock {
  readonly owner = randomUUID()
  readonly #options: RebuildLockOptions
  /** Redis has not let it expire before. On the monotonic clock. */
  #heldUntil = Number.NEGATIVE_INFINITY
  #lost = new AbortController()

  constructor(options: RebuildLockOptions) {
    this.#options = options
  }

  /** False when another owner has it. */
  take(): Promise<boolean> {
    return this.#extend((epoch) => epoch.lock(this.owner, LOCK_MS))
  }

  /** Between two attempts to take it. */
  async pause(signal: AbortSignal): Promise<void> {
    await delay(WAIT_MS, signal)
  }

  /** Runs the work under a lock that was taken, and gives it back. The signal of the work aborts also when the lock is lost. */
  async holding<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const lost = new AbortController()
    this.#lost = lost
    const renew = async (): Promise<void> => {
      // The work itself reports a store that is out of reach.
      const isHeld = await this.#extend((epoch) => epoch.renew(this.owner, LOCK_MS)).catch(() => true)
      if (!isHeld) lost.abort()
    }
    const renewal = setInterval(() => void renew(), RENEW_MS)
    try {
      return await work(AbortSignal.any([signal, lost.signal]))
    } finally {
      clearInterval(renewal)
      await this.#options.epoch.unlock(this.owner).catch(() => undefined)
    }
  }

  /** To be called right before the store is written. Throws `LR_STOPPED` when another replica may have the lock. */
  check(): void {
    if (this.#options.clock.monotonic() < this.#heldUntil) return
    this.#lost.abort()
    throw new RelayFault('LR_STOPPED', 'the lock of the rebuild has expired')
  }

  async #extend(step: (epoch: RebuildLockOptions['epoch']) => Promise<boolean>): Promise<boolean> {
    // From before the request: Redis counts from later on.
    const until = this.#options.clock.monotonic() + LOCK_MS
    const isHeld = await step(this.#options.epoch)
    this.#heldUntil = isHeld ? Math.max(this.#heldUntil, until) : Number.NEGATIVE_INFINITY
    return isHeld
  }
}
