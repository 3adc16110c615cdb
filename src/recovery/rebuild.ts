import { isSamePartition, type TopicPartition } from '../events/wire-record.ts'
import type { InputTopics } from '../intake/input-topics.ts'
import type { PartitionRange } from '../intake/log-reader.ts'
import { type PartitionStart, planStart } from '../intake/start-plan.ts'
import type { Clock } from '../lib/clock.ts'
import { RelayFault } from '../lib/errors.ts'
import type { StoreProof } from '../registry/epoch-guard.ts'
import type { AppliedPosition, EpochStore, StoredEpoch } from '../registry/epoch-store.ts'
import { type Missing, MissingFromLog, type MissingFromLogOptions } from './missing-from-log.ts'
import { RebuildLock } from './rebuild-lock.ts'

export interface RebuildOptions extends Omit<MissingFromLogOptions, 'beforeWrite'> {
  readonly clock: Clock
  readonly epoch: EpochStore
  readonly groupId: string
  /** Neither the group nor the store knows any position, although the store was in use. */
  readonly onForgotten: (starts: readonly PartitionStart[]) => void
  /** The store has fallen behind, and the log has dropped records before `low` that it lacks. */
  readonly onLacked: (starts: readonly (PartitionStart & { readonly lackedFrom: number })[]) => void
  readonly inputs: InputTopics
  /** How far this replica has read its partitions. */
  readonly own: () => readonly (TopicPartition & { readonly next: number })[]
  readonly startFrom: 'latest' | 'earliest'
  /** In shadow mode: triggers that were settled are over, whatever outcomes they have. */
  readonly doesStartMove?: boolean
}

/**
 * Registrations of outcomes that were published so long before the last heartbeat were removed before it, given clock
 * differences and Redis' delays. Any other outcome is published again under the same id.
 */
const HEARTBEAT_MARGIN_MS = 20_000

/**
 * Makes the store hold what the log says. It builds the registry from the beginning of the log if the store is empty, and
 * applies what is missing if the store has fallen behind (another server, an old file). Settled deliveries are not owed any
 * more, so applying a record twice is safe. One replica works under a lock; the others wait.
 *
 * For a topic that the group has never read, it first notes where the group begins. Registrations are read up to there;
 * everything after it comes through the group, so no record is missed. The note is kept in the store and in the group's
 * commit, so that it survives an interrupted first start and the loss of either.
 */
export class Rebuild {
  readonly #options: RebuildOptions
  readonly #log: MissingFromLog
  readonly #lock: RebuildLock
  #last: StoreProof | undefined
  #isDistrusted = false
  /** Replicas have worked with another store since this one was proved. */
  #isSplit = false
  /** Positions of an unfinished first start: a group with members accepts no commit of them, and the store may be lost. */
  #noted: readonly AppliedPosition[] = []

  constructor(options: RebuildOptions) {
    this.#options = options
    this.#lock = new RebuildLock(options)
    this.#log = new MissingFromLog({ ...options, beforeWrite: () => this.#lock.check() })
  }

  /** This replica has lost the store. If that still shows the epoch that the replica uses, it has gone back in time. */
  distrust(): void {
    this.#isDistrusted = true
  }

  /** Another replica has worked with another store since this one was proved, and this replica continues its work. */
  distrustSince(): void {
    this.#isDistrusted = true
    this.#isSplit = true
  }

  /**
   * Resolves with the proof of a store that holds what the log says; `undefined` if `signal` aborts first. Throws when the
   * log or the store is out of reach, or the store was lost again meanwhile.
   */
  async ensure(signal: AbortSignal): Promise<StoreProof | undefined> {
    const { epoch, onProgress } = this.#options
    let isReported = false
    while (!signal.aborted) {
      const { rollbacks } = epoch
      const shown = await epoch.read()
      if (shown !== undefined && (await this.#isEnough(shown)) && epoch.rollbacks === rollbacks) {
        return this.#adopt({ id: shown.id, runId: epoch.runId })
      }
      if (await this.#lock.take()) {
        return this.#adopt(await this.#lock.holding(signal, (held) => this.#complete(held)))
      }
      if (!isReported) onProgress({ phase: 'waiting', records: 0, recordsTotal: 0 })
      isReported = true
      await this.#lock.pause(signal)
    }
    return undefined
  }

  /**
   * The operator's form of `ensure`. Rebuilds a store that has lost the registry. Completes any other store by `complete`,
   * while replicas work, and runs the triggers again that they have settled. Waits for another rebuild. Throws as `ensure`
   * does.
   */
  async repeat(complete: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const { epoch, onProgress } = this.#options
    onProgress({ phase: 'waiting', records: 0, recordsTotal: 0 })
    while (!(await this.#lock.take())) {
      await this.#lock.pause(signal)
      if (signal.aborted) return
    }
    await this.#lock.holding(signal, async (held) => {
      const shown = await epoch.read()
      if (!shown?.isOfThisRun) {
        await this.#complete(held)
        return
      }
      await complete()
      const starts = await this.#plan()
      // Uncommitted records belong to the replicas.
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
      this.#isSplit = false
    }
    return proof
  }

  /** The store is proved, and this replica has nothing to add. */
  async #isEnough(shown: StoredEpoch): Promise<boolean> {
    const { epoch } = this.#options
    if (!shown.isOfThisRun) return false
    if (this.#last === undefined) {
      // A starting replica has written nothing elsewhere, but its group may never have read a topic.
      const starts = await this.#plan(shown)
      if (starts.some(isUnread) || (await this.#isOld(starts))) return false
      await this.#commit(starts, shown.id)
      await epoch.writePositions([], epoch.runId, await this.#newPatterns())
      return true
    }
    return !this.#isDistrusted && this.#isLast(shown)
  }

  /**
   * Whether the group's relays used another server, of which this one was no replica. Whoever settled with another proof may be
   * dead, although the group still counts it as a member. Relays that are merely ahead of the store would have noticed if
   * they run.
   */
  async #isOld(starts: readonly PartitionStart[]): Promise<boolean> {
    const { groupId, reader } = this.#options
    if (starts.some(({ isElsewhere }) => isElsewhere)) return true
    return starts.some(({ isBehind }) => isBehind) && !(await reader.hasMembers(groupId))
  }

  #isLast(shown: StoredEpoch | undefined): boolean {
    return (
      shown !== undefined && this.#last?.id === shown.id && this.#last.runId === this.#options.epoch.runId
    )
  }

  async #complete(signal: AbortSignal): Promise<StoreProof> {
    const { clock, epoch, onProgress } = this.#options
    const { rollbacks, runId } = epoch
    // Another replica may have finished between the read of the epoch and the lock.
    const shown = await epoch.read()
    if (shown === undefined) await epoch.clearPositions()
    const starts = await this.#plan(shown)
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
    // Written after everything that the positions cover. Records that the group has not read are reported by its
    // members. Part of the work may be on one server and part on the next, which has inherited the lock.
    const applied = (isProved ? starts.filter(isUnread) : starts).map((it) => ({
      ...it,
      offset: appliedUpTo(it),
    }))
    this.#lock.check()
    await epoch.writePositions(applied, runId, this.#options.inputs.selection.patterns)
    // Triggers that were not run again never would be: the epoch says that they were.
    if (signal.aborted) throw new RelayFault('LR_STOPPED', 'the rebuild was stopped')
    const proof = isProved
      ? { id: (shown as StoredEpoch).id, runId }
      : await epoch.confirm(this.#lock.owner, clock.now(), runId)
    if (proof === undefined || epoch.rollbacks !== rollbacks) {
      // Whatever it shows now, a part of the work may be missing.
      this.#isDistrusted = true
      throw new RelayFault('LR_UNAVAILABLE', 'Redis was lost again during the rebuild')
    }
    await this.#commit(starts, proof.id)
    this.#noted = []
    onProgress({ phase: 'done', records: 0, recordsTotal: 0 })
    return proof
  }

  /**
   * Notes where the group begins before anything is applied. Another plan, made meanwhile or after an interruption, would use
   * a later end and skip what ended in between.
   */
  async #note(first: readonly PartitionStart[], signal: AbortSignal): Promise<void> {
    const { epoch, groupId, inputs, reader, startFrom } = this.#options
    // From the earliest offset every plan gives the same start.
    if (first.length === 0 || startFrom === 'earliest') return
    if (signal.aborted) throw new RelayFault('LR_STOPPED', 'the rebuild was stopped')
    const noted = first.map((it) => ({ ...it, offset: it.low }))
    this.#noted = [...this.#noted, ...noted]
    await reader.commitForEmptyGroup(groupId, noted)
    // The patterns together with them: one that counted as followed without them would bring old triggers.
    await epoch.writePositions(noted, epoch.runId, inputs.selection.patterns)
  }

  /**
   * Commits what the broker does not know: positions, and with which store they agree. A group with members reads the
   * positions from the store, and notes the other itself.
   */
  async #commit(starts: readonly PartitionStart[], epoch: string): Promise<void> {
    const { groupId, reader } = this.#options
    const unknown = starts
      .map((it) => ({ ...it, before: it.epoch, epoch }))
      .map((it) => ({ ...it, offset: it.kind === 'noted' ? appliedUpTo(it) : it.offset }))
      .filter(
        ({ before, committed, kind, offset }) =>
          committed === undefined ||
          (before !== undefined && before !== epoch) ||
          (kind === 'noted' && committed < offset),
      )
      // What the group has settled stays committed, though the store has it applied again.
      .map((it) => ({ ...it, offset: Math.max(it.offset, it.committed ?? 0) }))
    if (unknown.length > 0) await reader.commitForEmptyGroup(groupId, unknown)
  }

  async #plan(shown?: StoredEpoch): Promise<PartitionStart[]> {
    const { doesStartMove, epoch, groupId, inputs, reader, startFrom } = this.#options
    const inputTopics = await inputs.look()
    const [topicIds, committed, applied, followed] = await Promise.all([
      reader.topicIds(inputTopics),
      reader.committed(groupId, inputTopics),
      epoch.positions(),
      this.#followedPatterns(),
    ])
    for (const { pattern } of committed) if (pattern !== undefined) followed.add(pattern)
    // Last, so that no position of the group lies beyond them.
    const bounds = await reader.bounds(inputTopics)
    const noted = this.#noted.filter(
      (it) => ![...committed, ...applied].some((known) => isSamePartition(it, known)),
    )
    const known = [...applied, ...noted]
    return planStart({
      ...{ bounds, committed, applied: known, doesStartMove, epoch: shown?.id, startFrom, topicIds },
      isFollowed: (topic) => inputs.isOf(followed, topic),
      patternOf: (topic) => inputs.patternOf(topic),
    })
  }

  /** This process itself has followed all patterns since it first made the store complete. */
  async #followedPatterns(): Promise<Set<string>> {
    const { epoch, inputs } = this.#options
    return new Set(this.#last === undefined ? await epoch.followedPatterns() : inputs.selection.patterns)
  }

  async #newPatterns(): Promise<string[]> {
    const known = await this.#followedPatterns()
    return this.#options.inputs.selection.patterns.filter((it) => !known.has(it))
  }

  async #missing(
    shown: StoredEpoch | undefined,
    isProved: boolean,
    starts: readonly PartitionStart[],
  ): Promise<Missing> {
    const { outcomeTopic, own, reader } = this.#options
    const outcomes = await reader.bounds([outcomeTopic])
    if (shown === undefined) {
      const areReadAgain = starts.some(({ isSetByOthers }) => isSetByOthers)
      return { areReadAgain, outcomes, inputs: starts.map((it) => ({ ...it, from: it.low, to: it.end })) }
    }
    // Of a topic that the group reads, its members, who work with this store, apply the rest, and may be delivering it. Not before
    // its start is reached: what stands up to there is applied here alone.
    const to = ({ committed = 0, end, isUnapplied, kind }: PartitionStart) =>
      isProved && isUnapplied && kind === 'known' ? Math.min(committed, end) : end
    const first = starts.filter(isUnread).map((it) => ({ ...it, from: it.appliedFrom, to: to(it) }))
    const since = async (timeMs: number | undefined) =>
      first.length > 0 ? outcomes : this.#outcomesSince(timeMs, outcomes)
    if (!isProved) {
      const behind = starts
        .filter((it) => !isUnread(it))
        .map((it) => ({ ...it, from: it.appliedFrom, to: it.end }))
      // Later heartbeats are those of replicas that did not know of the others.
      const isSplit = this.#last === undefined ? starts.some(({ isElsewhere }) => isElsewhere) : this.#isSplit
      const timeMs = isSplit ? shown.provedAtMs : shown.heartbeatMs
      return { inputs: [...first, ...behind], outcomes: await since(timeMs) }
    }
    // Some registrations of a topic that the group has never read may be settled already.
    if (this.#last === undefined) return { inputs: first, outcomes }
    // Another replica has proved this server, while this one may have used another server.
    const mine = starts.flatMap((it) => {
      const taken = own().find(({ topic, partition }) => topic === it.topic && partition === it.partition)
      return taken === undefined ? [] : [{ ...it, from: it.appliedFrom, to: Math.min(taken.next, it.end) }]
    })
    // Later heartbeats are those of other replicas.
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
      const from = since.find((it) => isSamePartition(it, range))?.offset ?? range.from
      return { ...range, from: Math.max(from, range.from) }
    })
  }
}

/**
 * Everything in the partition is applied. But unread records are left to the group's members, which count them and write dead
 * letters.
 */
function appliedUpTo({ committed = 0, end, kind, offset, start }: PartitionStart): number {
  return Math.max(offset, Math.min(kind === 'noted' ? start : committed, end))
}

/** The store lacks readable records from before the group's first start, or all that the group has read. */
function isUnread({ appliedFrom, end, isUnapplied, kind, start }: PartitionStart): boolean {
  return kind === 'first' || isUnapplied || (kind === 'noted' && appliedFrom < Math.min(start, end))
}
