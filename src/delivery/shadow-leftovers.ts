import { shadowedOf } from '../events/outcome.ts'
import type { Clock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import type { ParkedDelivery } from './backlog.ts'
import { type DiscardOptions, discard } from './discard.ts'

/** The backlog of relays in shadow mode. */
export interface ShadowBacklog {
  /** RPs that have something parked. */
  sizes(limit: number): Promise<readonly { readonly rpKey: string }[]>
  /** The first that are parked for that RP, whoever holds them. */
  first(rpKey: string, limit: number, nowMs: number): Promise<readonly ParkedDelivery[]>
}

export interface ShadowLeftoversOptions extends Pick<DiscardOptions, 'backlog' | 'log' | 'outcomeTopic'> {
  /** As in shadow mode: what it settles stays, and is owed to nobody any more. */
  readonly registry: DiscardOptions['registry']
  readonly clock: Pick<Clock, 'now'>
  readonly parked: ShadowBacklog
  readonly onEnded: (count: number) => void
  /** Not all was ended, or it was ended without an outcome. */
  readonly onFault: (what: string, error: unknown) => void
}

const AT_ONCE = 250
const RPS_AT_ONCE = 1_000
/** While a rolling update lasts, a shadow that stops may leave something after the first look. */
const LOOK_MS = 60_000
const AGAIN_MS = 5_000
const WHY = 'the relay went live before the shadow came to it'

/**
 * A relay in live mode ends what a shadow has parked and did not come to: it must neither be sent as though it were owed, nor
 * wait for a shadow that never runs again. Leases are not respected, for a shadow that still runs says the same of it.
 */
export class ShadowLeftovers {
  readonly #options: ShadowLeftoversOptions

  constructor(options: ShadowLeftoversOptions) {
    this.#options = options
  }

  /** Resolves after the first look, before which nothing of it may be taken for owed; goes on until `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    const didEnd = await this.#didEnd()
    void this.#goOn(didEnd, signal)
  }

  async #goOn(didEndBefore: boolean, signal: AbortSignal): Promise<void> {
    for (let didEnd = didEndBefore; !signal.aborted; ) {
      await delay(didEnd ? LOOK_MS : AGAIN_MS, signal)
      if (!signal.aborted) didEnd = await this.#didEnd()
    }
  }

  async #didEnd(): Promise<boolean> {
    const { onEnded, onFault } = this.#options
    let count = 0
    try {
      await this.#end((ended) => {
        count += ended
      })
      return true
    } catch (error) {
      onFault('ending what a shadow has parked', error)
      return false
    } finally {
      if (count > 0) onEnded(count)
    }
  }

  async #end(onEnded: (count: number) => void): Promise<void> {
    const { clock, log, onFault, parked } = this.#options
    let isTold = true
    const telling: DiscardOptions = {
      ...this.#options,
      log: {
        // The topic of a shadow that is over may be gone. Without an outcome the report counts too few; nobody is owed any.
        append: async (records) => {
          if (!isTold) return
          await log.append(records).catch((error: unknown) => {
            isTold = false
            onFault('saying of what a shadow has parked that it is over', error)
          })
        },
      },
      outcomeOf: shadowedOf,
      why: WHY,
    }
    for (const { rpKey } of await parked.sizes(RPS_AT_ONCE)) {
      for (;;) {
        const page = await parked.first(rpKey, AT_ONCE, clock.now())
        if (page.length === 0) break
        await discard(page, telling)
        onEnded(page.length)
      }
    }
  }
}
