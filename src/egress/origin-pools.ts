import type { Dispatcher, Pool } from 'undici'
import type { EgressGuard } from './egress-guard.ts'

type CreatePool = (origin: string, egress: EgressGuard, connectTimeoutMs?: number) => Pool

const SWEEP_MS = 15_000
const IDLE_MS_MAX = 60_000
/** Then connections are made anew, so that an RP that has moved in the DNS is followed, however busy it is. */
const AGE_MS_MAX = 120_000
/** Of that: origins that were first called together, as after a start, do not all get new connections together. */
const AGE_JITTER = 1 / 4
/** When there are as many as may be: origins that were not used for so long make room for others. */
const IDLE_MS_MAX_WHEN_FULL = 5_000
/** A connection takes 30 KB, with TLS 80: some 200 MB together. */
const POOLS_MAX = 2_500

interface Entry {
  readonly pool: Pool
  /** When its connections are of age. On the monotonic clock, as the next. */
  readonly retiresAtMs: number
  lastUsedAtMs: number
}

/**
 * One pool per origin and guard, closed after a minute without use, and replaced after two; requests that run are never cut. There may be thousands of origins in one mass logout; those
 * for which there is no room any more get a connection for each attempt. To drop others for them would only make
 * everyone connect anew.
 */
export class OriginPools {
  readonly #entries = new Map<string, Entry>()
  /** Kept no longer, with requests that still run. */
  readonly #closing = new Set<Pool>()
  readonly #create: CreatePool
  readonly #timer: NodeJS.Timeout
  readonly #ageMsMax: number

  constructor(create: CreatePool, ageMsMax = AGE_MS_MAX) {
    this.#create = create
    this.#ageMsMax = ageMsMax
    this.#timer = setInterval(() => this.#sweep(), Math.min(SWEEP_MS, ageMsMax))
    this.#timer.unref()
  }

  dispatch(
    origin: string,
    egress: EgressGuard,
    request: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
  ): void {
    // What one issuer may reach must not become reachable to another by a connection that is there.
    const name = `${egress.id} ${origin}`
    const entry = this.#entries.get(name)
    if (entry !== undefined) {
      entry.lastUsedAtMs = performance.now()
      entry.pool.dispatch(request, handler)
      return
    }
    const pool = this.#create(origin, egress)
    const isKept = this.#entries.size < POOLS_MAX
    if (isKept) this.#keep(name, pool)
    pool.dispatch(request, handler)
    if (!isKept) this.#close(pool)
  }

  /** Over a connection of its own, which ends with it, and which is given up after so long when it cannot be made. */
  dispatchAlone(
    origin: string,
    egress: EgressGuard,
    request: Dispatcher.DispatchOptions,
    handler: Dispatcher.DispatchHandler,
    connectTimeoutMs: number,
  ): void {
    const pool = this.#create(origin, egress, connectTimeoutMs)
    pool.dispatch(request, handler)
    this.#close(pool)
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    const kept = [...this.#entries.values()].map(({ pool }) => pool)
    await Promise.all([...kept, ...this.#closing].map((pool) => pool.destroy()))
    this.#entries.clear()
  }

  #keep(name: string, pool: Pool): void {
    const now = performance.now()
    const retiresAtMs = now + this.#ageMsMax * (1 - Math.random() * AGE_JITTER)
    this.#entries.set(name, { pool, retiresAtMs, lastUsedAtMs: now })
  }

  #sweep(): void {
    const now = performance.now()
    const idleSince = now - (this.#entries.size < POOLS_MAX ? IDLE_MS_MAX : IDLE_MS_MAX_WHEN_FULL)
    for (const [name, { pool, retiresAtMs, lastUsedAtMs }] of this.#entries) {
      if (lastUsedAtMs > idleSince && retiresAtMs > now) continue
      this.#entries.delete(name)
      this.#close(pool)
    }
  }

  /** Lets requests that still run come to their end. */
  #close(pool: Pool): void {
    this.#closing.add(pool)
    const closed = () => this.#closing.delete(pool)
    pool.close().then(closed, closed)
  }
}
