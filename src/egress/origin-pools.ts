import type { Pool } from 'undici'

const SWEEP_MS = 15_000
const IDLE_MS_MAX = 60_000

interface Entry {
  readonly pool: Pool
  lastUsedAtMs: number
}

/** One pool per origin, closed after a minute without use: there may be thousands of origins. */
export class OriginPools {
  readonly #entries = new Map<string, Entry>()
  readonly #create: (origin: string) => Pool
  readonly #timer: NodeJS.Timeout

  constructor(create: (origin: string) => Pool) {
    this.#create = create
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS)
    this.#timer.unref()
  }

  for(origin: string): Pool {
    let entry = this.#entries.get(origin)
    if (entry === undefined) {
      entry = { pool: this.#create(origin), lastUsedAtMs: 0 }
      this.#entries.set(origin, entry)
    }
    entry.lastUsedAtMs = performance.now()
    return entry.pool
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all([...this.#entries.values()].map(({ pool }) => pool.destroy()))
    this.#entries.clear()
  }

  #sweep(): void {
    const idleSince = performance.now() - IDLE_MS_MAX
    for (const [origin, { pool, lastUsedAtMs }] of this.#entries) {
      if (lastUsedAtMs > idleSince) continue
      this.#entries.delete(origin)
      // `close` lets a request that still runs come to its end.
      pool.close().catch(() => undefined)
    }
  }
}
