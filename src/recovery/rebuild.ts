import { randomUUID } from 'node:crypto'
import type { TopicPartition } from '../events/wire-record.ts'
import type { PartitionRange } from '../intake/log-reader.ts'
import { type PartitionStart, planStart } from '../intake/start-plan.ts'
import type { Clock } from '../lib/clock.ts'
import { delay } from '../lib/deferred.ts'
import { RelayFault } from '../lib/errors.ts'
import type { StoreProof } from '../registry/epoch-guard.ts'
import type { AppliedPosition, EpochStore, ShownEpoch } from '../registry/epoch-store.ts'
import { type Missing, MissingFromLog, type MissingFromLogOptions } from './missing-from-log.ts'

export interface RebuildOptions extends MissingFromLogOptions {
  readonly clock: Clock
  readonly epoch: EpochStore
  readonly groupId: string
  /** Neither the group nor the store knows any position, although the store was in use. */
  readonly onForgotten: (starts: readonly PartitionStart[]) => void
  /** The store had fallen behind, and of what it lacks the log has dropped the records before `low`. */
  readonly onLacked: (starts: readonly (PartitionStart & { readonly lackedFrom: number })[]) => void
  /** How far this replica has taken in its partitions. */
  readonly own: () => readonly (TopicPartition & { readonly next: number })[]
  readonly startFrom: 'latest' | 'earliest'
}

/** How long the others wait for a replica that died meanwhile. One that only stands still for so long begins anew. */
const LOCK_MS = 10_000
const RENEW_MS = 2_500
const WAIT_MS = 250
/**
 * Outcomes that were published so long before the last heartbeat had their registrations removed before it, as far as
 * clocks lie apart and Redis answers; one that had not is published again, under the same id.
 */
const HEARTBEAT_MARGIN_MS = 20_000

/**
 * Sees to it that the store holds what the log says: it builds the registry from the beginning of the log where the
 * store is empty, and where it has fallen behind (another server, an old file) applies again what it lacks. What was
 * sent is not owed any more, so applying a record twice is safe. One replica does it under a lock; the others wait.
 *
 * It also notes where a group begins that has never read of a topic, before anything of it is read: registrations are
 * read up to there, and everything after it comes through the group, so that nothing falls between the two. The note stands
 * in the store and in the group's commit, so that it outlives a first start that is interrupted, and either of the two.
 */
export class Rebuild {
  readonly #options: RebuildOptions
  readonly #log: MissingFromLog
  readonly #owner = randomUUID()
  #last: StoreProof | undefined
  #isDistrusted = false
  /** Starts of a first start that is not over: a group that has members does not take them, and the store may be lost. */
  #noted: readonly AppliedPosition[] = []

  constructor(options: RebuildOptions) {
    this.#options = options
    this.#log = new MissingFromLog(options)
  }

  /** The store has gone back in time although it shows the epoch that this replica works on. */
  distrust(): void {
    this.#isDistrusted = true
  }

  /**
   * Resolves with the proof of a store that holds what the log says, `undefined` when `signal` aborts before. Throws
   * when the log or the store is out of reach, or the store was lost once more meanwhile.
   */
  async ensure(signal: AbortSignal): Promise<StoreProof | undefined> {
    const { epoch, onProgress } = this.#options
    let isTold = false
    while (!signal.aborted) {
      const shown = await epoch.read()
      if (shown !== undefined && (await this.#isEnough(shown))) {
        return this.#adopt({ id: shown.id, runId: epoch.runId })
      }
      if (await epoch.lock(this.#owner, LOCK_MS)) {
        return this.#adopt(await this.#holdingLock(signal, (held) => this.#complete(held)))
      }
      if (!isTold) onProgress({ phase: 'waiting', records: 0, recordsTotal: 0 })
      isTold = true
      await delay(WAIT_MS, signal)
    }
    return undefined
  }

  /**
   * The same by hand. A store that has lost the registry gets it built anew; one that holds it is completed by `complete`
   * under the eyes of the replicas, and the triggers that they have settled are run again. Waits for whoever else is
   * building it. Throws as `ensure` does.
   */
  async repeat(complete: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { epoch, onProgress } = this.#options
    onProgress({ phase: 'waiting', records: 0, recordsTotal: 0 })
    while (!(await epoch.lock(this.#owner, LOCK_MS))) {
      await delay(WAIT_MS, signal)
      if (signal.aborted) return
    }
    await this.#holdingLock(signal, async (held) => {
      const shown = await epoch.read()
      if (!shown?.isOfThisRun) {
        await this.#complete(held)
        return
      }
      await complete()
      const starts = await this.#plan()
      // What is not committed is the replicas' own.
      const ranges = starts.map((it) => ({
        ...it,
        from: it.low,
        to: Math.min(it.committed ?? it.low, it.end),
      }))
      await this.#log.runAgain(ranges, starts, held)
      onProgress({ phase: 'done', records: 0, recordsTotal: 0 })
    })
  }

  #adopt<T extends StoreProof | undefined>(proof: T): T {
    if (proof !== undefined) {
      this.#last = proof
      this.#isDistrusted = false
    }
    return proof
  }

  /** The store is proved, and this replica has nothing to add. */
  async #isEnough(shown: ShownEpoch): Promise<boolean> {
    if (!shown.isOfThisRun) return false
    if (this.#last === undefined) {
      // A replica that starts has written nothing elsewhere; but its group may never have read of a topic.
      const starts = await this.#plan()
      if (starts.some(isUnread) || (await this.#isOld(starts))) return false
      await this.#commit(starts)
      return true
    }
    return !this.#isDistrusted && this.#isLast(shown)
  }

  /**
   * Relays that are gone went on with another server, to which this one was not a replica. Where some are there they would
   * have noticed, and are ahead of the store by a moment.
   */
  async #isOld(starts: readonly PartitionStart[]): Promise<boolean> {
    const { groupId, reader } = this.#options
    return starts.some(({ isBehind }) => isBehind) && !(await reader.hasMembers(groupId))
  }

  #isLast(shown: ShownEpoch | undefined): boolean {
    return (
      shown !== undefined && this.#last?.id === shown.id && this.#last.runId === this.#options.epoch.runId
    )
  }

  async #complete(signal: AbortSignal): Promise<StoreProof> {
    const { clock, epoch, onProgress } = this.#options
    const { runId } = epoch
    // Another replica may have finished between the look at the epoch and the lock.
    const shown = await epoch.read()
    if (shown === undefined) await epoch.clearPositions()
    const starts = await this.#plan()
    const isOld =
      this.#last === undefined ? await this.#isOld(starts) : this.#isDistrusted && this.#isLast(shown)
    const isProved = shown?.isOfThisRun === true && !isOld
    const lacked = isProved
      ? []
      : starts.flatMap((it) => (it.lackedFrom === undefined ? [] : [{ ...it, lackedFrom: it.lackedFrom }]))
    if (lacked.length > 0) this.#options.onLacked(lacked)
    const first = starts.filter(({ kind }) => kind === 'first')
    await this.#note(first, signal)
    if (shown !== undefined && first.length === starts.length && first.length > 0)
      this.#options.onForgotten(first)
    const missing = await this.#missing(shown, isProved, starts)
    await this.#log.apply(missing, starts, signal)
    // Behind all that was written for them. Of what the group has not taken in yet, the group's members have to tell.
    // A part of it may stand on one server and a part on the next, to which the lock has come along.
    const applied = (isProved ? starts.filter(isUnread) : starts).map((it) => ({
      ...it,
      offset: appliedUpTo(it),
    }))
    await epoch.writePositions(applied, runId)
    // What was not run again would never be: an epoch says that it was.
    if (signal.aborted) throw new RelayFault('LR_STOPPED', 'the rebuild was stopped')
    const proof = isProved
      ? { id: (shown as ShownEpoch).id, runId }
      : await epoch.confirm(this.#owner, clock.now(), runId)
    if (proof === undefined) throw new RelayFault('LR_UNAVAILABLE', 'Redis was lost again during the rebuild')
    await this.#commit(starts)
    this.#noted = []
    onProgress({ phase: 'done', records: 0, recordsTotal: 0 })
    return proof
  }

  /**
   * Notes where the group begins, with nothing applied yet: whoever plans again while that is read, or after it was
   * interrupted, would take a later end, and skip what ended in between.
   */
  async #note(first: readonly PartitionStart[], signal: AbortSignal): Promise<void> {
    const { epoch, groupId, reader, startFrom } = this.#options
    // From the earliest, the start is the same whenever it is planned.
    if (first.length === 0 || startFrom === 'earliest') return
    if (signal.aborted) throw new RelayFault('LR_STOPPED', 'the rebuild was stopped')
    const noted = first.map((it) => ({ ...it, offset: it.low }))
    this.#noted = [...this.#noted, ...noted]
    await reader.commitForEmptyGroup(groupId, noted)
    await epoch.writePositions(noted, epoch.runId)
  }

  /** Where the broker knows nothing of the group, or not any more. A group that has members finds it in the store. */
  async #commit(starts: readonly PartitionStart[]): Promise<void> {
    const { groupId, reader } = this.#options
    const unknown = starts
      .map((it) => ({ ...it, offset: it.kind === 'noted' ? appliedUpTo(it) : it.offset }))
      .filter(
        ({ committed, kind, offset }) => committed === undefined || (kind === 'noted' && committed < offset),
      )
    if (unknown.length > 0) await reader.commitForEmptyGroup(groupId, unknown)
  }

  async #plan(): Promise<PartitionStart[]> {
    const { epoch, groupId, inputTopics, reader, startFrom } = this.#options
    const [topicIds, committed, applied] = await Promise.all([
      reader.topicIds(inputTopics),
      reader.committed(groupId, inputTopics),
      epoch.positions(),
    ])
    // Last, so that no position of the group lies beyond them.
    const bounds = await reader.bounds(inputTopics)
    const noted = this.#noted.filter((it) => ![...committed, ...applied].some((known) => isSame(it, known)))
    return planStart({ bounds, committed, applied: [...applied, ...noted], startFrom, topicIds })
  }

  async #missing(
    shown: ShownEpoch | undefined,
    isProved: boolean,
    starts: readonly PartitionStart[],
  ): Promise<Missing> {
    const { outcomeTopic, own, reader } = this.#options
    const outcomes = await reader.bounds([outcomeTopic])
    if (shown === undefined)
      return { outcomes, inputs: starts.map((it) => ({ ...it, from: it.low, to: it.end })) }
    const first = starts.filter(isUnread).map((it) => ({ ...it, from: it.appliedFrom, to: it.end }))
    const since = async (timeMs: number | undefined) =>
      first.length > 0 ? outcomes : this.#outcomesSince(timeMs, outcomes)
    if (!isProved) {
      const behind = starts
        .filter((it) => !isUnread(it))
        .map((it) => ({ ...it, from: it.appliedFrom, to: it.end }))
      return { inputs: [...first, ...behind], outcomes: await since(shown.heartbeatMs) }
    }
    // Of a topic that the group has never read, some registrations may be settled all the same.
    if (this.#last === undefined) return { inputs: first, outcomes }
    // Somebody else has proved this server, while this replica may have gone on with another one.
    const mine = starts.flatMap((it) => {
      const taken = own().find(({ topic, partition }) => topic === it.topic && partition === it.partition)
      return taken === undefined ? [] : [{ ...it, from: it.appliedFrom, to: Math.min(taken.next, it.end) }]
    })
    // The heartbeats since then are those of the others.
    return { inputs: [...first, ...mine], outcomes: await since(shown.provedAtMs) }
  }

  async #outcomesSince(
    timeMs: number | undefined,
    outcomes: readonly PartitionRange[],
  ): Promise<readonly PartitionRange[]> {
    const { outcomeTopic, reader } = this.#options
    if (timeMs === undefined) return outcomes
    const since = await reader.offsetsAt([outcomeTopic], timeMs - HEARTBEAT_MARGIN_MS)
    return outcomes.map((range) => {
      const from = since.find((it) => isSame(it, range))?.offset ?? range.from
      return { ...range, from: Math.max(from, range.from) }
    })
  }

  /** The work stops when the lock is somebody else's: two that build at once would confirm what neither has seen whole. */
  async #holdingLock<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { epoch } = this.#options
    const lost = new AbortController()
    const renew = async (): Promise<void> => {
      // A store out of reach is told by the work itself.
      if ((await epoch.renew(this.#owner, LOCK_MS).catch(() => true)) === false) lost.abort()
    }
    const renewal = setInterval(() => void renew(), RENEW_MS)
    try {
      return await work(AbortSignal.any([signal, lost.signal]))
    } finally {
      clearInterval(renewal)
      await epoch.unlock(this.#owner).catch(() => undefined)
    }
  }
}

/**
 * All that the partition held is applied. But what nobody has taken in yet is left to the members of the group: they count
 * it, and what cannot be decoded of it goes to the dead letters.
 */
function appliedUpTo({ committed = 0, end, kind, offset, start }: PartitionStart): number {
  return Math.max(offset, Math.min(kind === 'noted' ? start : committed, end))
}

/** What stood on the log at the group's first start is not in the store, although it can be read. */
function isUnread({ appliedFrom, end, kind, start }: PartitionStart): boolean {
  return kind === 'first' || (kind === 'noted' && appliedFrom < Math.min(start, end))
}

function isSame(one: TopicPartition, other: TopicPartition): boolean {
  return one.topic === other.topic && one.partition === other.partition
}
