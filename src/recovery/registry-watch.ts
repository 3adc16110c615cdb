import type { RecordPosition, TopicPartition } from '../events/wire-record.ts'
import { delay } from '../lib/deferred.ts'
import { RelayFault } from '../lib/errors.ts'
import type { EpochGuard } from '../registry/epoch-guard.ts'
import type { AppliedPosition, EpochStore } from '../registry/epoch-store.ts'
import type { Rebuild } from './rebuild.ts'

export interface RegistryWatchOptions {
  /** How far this replica has settled its partitions. */
  readonly applied: () => readonly AppliedPosition[]
  readonly clock: { now(): number }
  readonly epoch: EpochStore
  readonly guard: EpochGuard
  readonly rebuild: Pick<Rebuild, 'ensure' | 'distrust' | 'distrustSince'>
  readonly onLost: () => void
  /** The store is proved, perhaps anew. */
  readonly onProved?: () => void
  readonly onError: (error: unknown, failures: number) => void
}

/** Interval of checking the epoch. Intake checks it with every step, so this is for idle times. */
const LOOK_MS = 500
/** Interval of heartbeats. It bounds what a store lacks after falling back, beside the replication lag. */
const HEARTBEAT_MS = 1_000
const RETRY_MS_MAX = 5_000

/**
 * Keeps the store's proof current while the registry is intact: heartbeat and applied positions. Detects a store that has
 * lost the registry or is another one, and has it completed. No records are applied until then.
 */
export class RegistryWatch {
  readonly #options: RegistryWatchOptions
  readonly #written = new Map<string, AppliedPosition>()
  #heartbeatAtMs = Number.NEGATIVE_INFINITY
  #running: Promise<void> | undefined

  constructor(options: RegistryWatchOptions) {
    this.#options = options
  }

  /** Resolves when the registry first holds what the log says. Keeps watching until `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#restore(signal)
    this.#running ??= this.#watch(signal)
  }

  async stopped(): Promise<void> {
    await this.#running
  }

  /** The store lacks what another replica has done with another one, and has it completed. Nothing counts until then. */
  distrust(): void {
    this.#options.guard.lose()
    this.#options.rebuild.distrustSince()
  }

  /** The positions in the store. `undefined` while it is not proved or out of reach. */
  async positions(): Promise<readonly AppliedPosition[] | undefined> {
    const { epoch, guard } = this.#options
    return guard.isIntact ? epoch.positions().catch(() => undefined) : undefined
  }

  /** Stores positions that somebody else set for the group. Throws when the store is not proved or out of reach. */
  async keepPositions(positions: readonly AppliedPosition[]): Promise<void> {
    const { epoch, guard } = this.#options
    if (!guard.isIntact) throw new RelayFault('LR_REGISTRY_LOST', 'Redis is being completed from the topic')
    await epoch.writePositions(positions, epoch.runId)
    this.#noteWritten(positions)
  }

  /** Whether the record is from before the group's first start. Throws when the store is out of reach. */
  async isBeforeStart({ topic, partition, offset }: RecordPosition): Promise<boolean> {
    const positions = await this.#options.epoch.positions()
    return positions.some((it) => it.topic === topic && it.partition === partition && offset < it.start)
  }

  /** Writes the applied positions, where the next owner of a partition continues. Never throws. */
  async writePositions(): Promise<void> {
    const { applied, epoch, guard } = this.#options
    if (!guard.isIntact) return
    const moved = applied().filter((it) => !isSame(this.#written.get(nameOf(it)), it))
    if (moved.length === 0) return
    try {
      await epoch.writePositions(moved, epoch.runId)
      this.#noteWritten(moved)
    } catch {
      // Others report that Redis is away. Older positions only cost reading more of the log.
    }
  }

  #noteWritten(positions: readonly AppliedPosition[]): void {
    for (const it of positions) this.#written.set(nameOf(it), it)
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { epoch, guard, onLost, rebuild } = this.#options
    while (!signal.aborted) {
      await delay(LOOK_MS, signal)
      if (signal.aborted) return
      // An unreachable store says nothing. Intake waits for it by itself.
      const isIntact = await epoch.read().then(
        (shown) => guard.accepts(shown?.id, epoch.runId),
        () => true,
      )
      if (isIntact) {
        await this.#heartbeat()
        continue
      }
      guard.lose()
      // It may show the epoch that it was proved with, and have gone back in time all the same.
      rebuild.distrust()
      onLost()
      await this.#restore(signal)
    }
  }

  async #heartbeat(): Promise<void> {
    const { clock, epoch, guard } = this.#options
    if (performance.now() - this.#heartbeatAtMs < HEARTBEAT_MS) return
    this.#heartbeatAtMs = performance.now()
    // Another server may answer by now. It must not get a heartbeat.
    if (!guard.isIntact) return
    await epoch.heartbeat(clock.now()).catch(() => undefined)
    await this.writePositions()
  }

  async #restore(signal: AbortSignal): Promise<void> {
    const { guard, onError, rebuild } = this.#options
    for (let failures = 0; !signal.aborted; ) {
      try {
        const proof = await rebuild.ensure(signal)
        this.#written.clear()
        if (proof === undefined) return
        guard.adopt(proof)
        this.#options.onProved?.()
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

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}

/** A recreated topic may reach the same offset as its predecessor. */
function isSame(written: AppliedPosition | undefined, now: AppliedPosition): boolean {
  return written?.offset === now.offset && written.start === now.start && written.topicId === now.topicId
}
