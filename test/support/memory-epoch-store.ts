import { RelayFault } from '../../src/lib/errors.ts'
import type { StoreProof } from '../../src/registry/epoch-guard.ts'
import type { AppliedPosition, EpochStore, StoredEpoch } from '../../src/registry/epoch-store.ts'

/** What one server holds: an epoch, positions, and a lock that runs out. */
interface Server {
  runId: string
  epoch: { id: string; runId: string } | undefined
  heartbeatMs: number | undefined
  provedAtMs: number | undefined
  positions: Map<string, AppliedPosition>
  patterns: Set<string>
  holder: { owner: string; untilMs: number } | undefined
}

/** An epoch store whose server can be lost, replaced by an older copy, or taken for another one. */
export class MemoryEpochStore implements EpochStore {
  #server: Server = {
    runId: 'run-1',
    epoch: undefined,
    heartbeatMs: undefined,
    provedAtMs: undefined,
    positions: new Map(),
    patterns: new Set(),
    holder: undefined,
  }
  rollbacks = 0
  #ids = 0
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  get runId(): string {
    return this.#server.runId
  }

  /** The epoch's id, whatever server it was set on. */
  get id(): string | undefined {
    return this.#server.epoch?.id
  }

  async read(): Promise<StoredEpoch | undefined> {
    const { epoch, heartbeatMs, provedAtMs, runId } = this.#server
    const isOfThisRun = epoch?.runId === runId
    return epoch && { id: epoch.id, isOfThisRun, isUnknownRun: false, heartbeatMs, provedAtMs }
  }

  async lock(owner: string, ms: number): Promise<boolean> {
    if (!this.#isFreeFor(owner)) return false
    this.#server.holder = { owner, untilMs: this.#now() + ms }
    return true
  }

  async renew(owner: string, ms: number): Promise<boolean> {
    return this.#isHeldBy(owner) && this.lock(owner, ms)
  }

  async unlock(owner: string): Promise<void> {
    if (this.#isHeldBy(owner)) this.#server.holder = undefined
  }

  async confirm(owner: string, nowMs: number, runId: string): Promise<StoreProof | undefined> {
    if (!this.#isHeldBy(owner) || runId !== this.runId) return undefined
    const proof = { id: `epoch-${++this.#ids}`, runId: this.runId }
    this.#server.epoch = proof
    this.#server.heartbeatMs = nowMs
    this.#server.provedAtMs = nowMs
    return proof
  }

  async positions(): Promise<AppliedPosition[]> {
    return [...this.#server.positions.values()]
  }

  async followedPatterns(): Promise<string[]> {
    return [...this.#server.patterns]
  }

  async writePositions(
    positions: readonly AppliedPosition[],
    runId: string,
    patterns: readonly string[] = [],
  ): Promise<void> {
    if (runId !== this.runId) throw new RelayFault('LR_REGISTRY_LOST', 'another server answers')
    for (const { topic, partition, offset, start, topicId } of positions)
      this.#server.positions.set(`${topic}/${partition}`, { topic, partition, offset, start, topicId })
    for (const pattern of patterns) this.#server.patterns.add(pattern)
  }

  async clearPositions(): Promise<void> {
    this.#server.positions.clear()
    this.#server.patterns.clear()
  }

  async heartbeat(nowMs: number): Promise<void> {
    this.#server.heartbeatMs = nowMs
  }

  /** The server has lost its memory. */
  lose(): void {
    this.#server = {
      runId: this.runId,
      epoch: undefined,
      heartbeatMs: undefined,
      provedAtMs: undefined,
      positions: new Map(),
      patterns: new Set(),
      holder: undefined,
    }
  }

  /** As a replica holds it, or a file. */
  copy(): Readonly<Server> {
    return structuredClone(this.#server)
  }

  /** Another server answers from now on, with what it holds. */
  failOver(copy: Readonly<Server>, runId: string): void {
    if (runId === this.runId) this.rollbacks++
    this.#server = { ...structuredClone(copy), runId }
  }

  #isHeldBy(owner: string): boolean {
    const { holder } = this.#server
    return holder?.owner === owner && holder.untilMs > this.#now()
  }

  #isFreeFor(owner: string): boolean {
    const { holder } = this.#server
    return holder === undefined || holder.untilMs <= this.#now() || this.#isHeldBy(owner)
  }
}
