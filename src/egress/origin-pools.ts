import type { Dispatcher, Pool } from 'undici'
import type { EgressGuard } from './egress-guard.ts'

type CreatePool = (origin: string, egress: EgressGuard, connectTimeoutMs?: number) => Pool

const SWEEP_MS = 15_000
const IDLE_MS_MAX = 60_000
/** Older connections are replaced, so that an RP that has moved in the DNS is followed even under load. */
const AGE_MS_MAX = 120_000
/** A random part of the age, so that origins first called together, as after a start, do not reconnect together. */
const AGE_JITTER = 1 / 4
/** When the pools are at their limit, origins that were idle for so long make room for others. */
const IDLE_MS_MAX_WHEN_FULL = 5_000
/** A connection takes 30 KB, with TLS 80 KB: some 200 MB in total. */
const POOLS_MAX = 2_500

interface Entry {
  readonly pool: Pool
  /** When its connections have reached their maximum age. On the monotonic clock, as the next. */
  readonly retiresAtMs: number
  lastUsedAtMs: number
}

/**
 * One pool per origin and guard. A pool closes after a minute without use and is replaced after two. Running requests are never cut. A
 * mass logout may have thousands of origins: those beyond the limit get a connection per attempt, since evicting others would
 * only make everyone reconnect.
 */
export class OriginPools {
  readonly #entries = new Map<string, Entry>()
  /** Retired pools with running requests. */
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

  /** Sends over a separate connection, which ends with the request, and gives up if it cannot connect in time. */
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

  /** Lets running requests finish. */
  #close(pool: Pool): void {
    this.#closing.add(pool)
    const closed = () => this.#closing.delete(pool)
    pool.close().then(closed, closed)
  }
}
