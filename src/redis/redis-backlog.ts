import type { Backlog, Holder, ParkedDelivery, ParkedName } from '../delivery/backlog.ts'
import { systemClock } from '../lib/clock.ts'
import { RelayFault } from '../lib/errors.ts'
import {
  claimExpiredScript,
  claimScript,
  dueRpsScript,
  earliestDeadlineScript,
  firstRpsScript,
  holdScript,
  makeDueScript,
  nextDueScript,
  parkScript,
  removeScript,
  setAsideScript,
} from './backlog-scripts.ts'
import { scanMembersScript } from './bounded-reads.ts'
import { FOREIGN } from './foreign-keys.ts'
import { decodeMember, decodeProgress, encodeMember, encodeProgress } from './parked-state.ts'
import type { RedisCommand, RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript } from './redis-script.ts'
import { scannedMembers } from './scanned-keys.ts'
import { stretchScript } from './settling-scripts.ts'
import { timeToLiveMs } from './time-to-live.ts'

/** Lua's stack limits the arguments of one script call. */
const SCRIPT_ITEMS_MAX = 1_000
interface RpCommand {
  readonly rpKey: string
  readonly command: RedisCommand
}

/** The oldest delivery of a backlog is looked for among so many from each end. */
const ENDS_LOOKED_AT = 50

/**
 * The backlog in Redis. It stores references and a little state, not copies of registrations. Each call updates the index of
 * RPs once per RP, whatever the number of deliveries.
 */
export class RedisBacklog implements Backlog {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis
    this.#keys = keys
    redis.register(stretchScript, parkScript, holdScript, makeDueScript, claimScript, removeScript)
    redis.register(scanMembersScript, claimExpiredScript)
    redis.register(earliestDeadlineScript, nextDueScript, setAsideScript, dueRpsScript, firstRpsScript)
  }

  /** Order: TTLs, backlog, index. So a crash in between leaves no delivery outside of every list. */
  async park(deliveries: readonly ParkedDelivery[]): Promise<ReadonlySet<string>> {
    const states: RpCommand[] = []
    const index: RedisCommand[] = []
    for (const [rpKey, parked] of byRp(deliveries)) {
      let next = Number.POSITIVE_INFINITY
      const args: (string | number)[] = []
      for (const it of parked) {
        next = Math.min(next, it.dueMs)
        args.push(encodeMember(it), it.dueMs, encodeProgress(it.state))
      }
      for (let i = 0; i < args.length; i += 3 * SCRIPT_ITEMS_MAX) {
        const part = args.slice(i, i + 3 * SCRIPT_ITEMS_MAX)
        states.push({ rpKey, command: evalScript(parkScript, this.#rpKeys(rpKey), part) })
      }
      index.push(['ZADD', this.#keys.backlogs(), 'LT', next, rpKey])
    }
    return (await this.#write(deliveries, states, index)).refused
  }

  async hold(deliveries: readonly ParkedDelivery[], nowMs: number, leaseUntilMs: number): Promise<Holder[]> {
    const held = new Set<ParkedDelivery>()
    const parts: ParkedDelivery[][] = []
    const commands: RpCommand[] = []
    const index: RedisCommand[] = []
    for (const [rpKey, own] of byRp(deliveries)) {
      for (let i = 0; i < own.length; i += SCRIPT_ITEMS_MAX) {
        const part = own.slice(i, i + SCRIPT_ITEMS_MAX)
        parts.push(part)
        const args = [nowMs, leaseUntilMs, ...part.map(encodeMember)]
        commands.push({ rpKey, command: evalScript(holdScript, this.#rpKeys(rpKey), args) })
      }
      // Another replica's lease may end earlier. The first claim then finds nothing due and corrects the index.
      index.push(['ZADD', this.#keys.backlogs(), 'LT', nowMs, rpKey])
    }
    const { refused, replies } = await this.#write(deliveries, commands, index)
    for (const [i, part] of parts.entries()) {
      if (replies[i] === FOREIGN) continue
      const answers = replies[i] as number[]
      for (const [at, it] of part.entries()) if (answers[at] === 1) held.add(it)
    }
    return deliveries.map((it) => (refused.has(it.rpKey) ? 'nobody' : held.has(it) ? 'caller' : 'backlog'))
  }

  async makeDue(deliveries: readonly ParkedDelivery[], nowMs: number): Promise<ReadonlySet<string>> {
    const commands: RpCommand[] = []
    const index: RedisCommand[] = []
    for (const [rpKey, own] of byRp(deliveries)) {
      for (let i = 0; i < own.length; i += SCRIPT_ITEMS_MAX) {
        const pairs = own.slice(i, i + SCRIPT_ITEMS_MAX).flatMap((it) => [encodeMember(it), it.dueMs])
        commands.push({ rpKey, command: evalScript(makeDueScript, this.#rpKeys(rpKey), [nowMs, ...pairs]) })
      }
      index.push(['ZADD', this.#keys.backlogs(), 'LT', nowMs, rpKey])
    }
    return (await this.#write(deliveries, commands, index)).refused
  }

  async dueRps(nowMs: number, from: number, limit: number): Promise<string[]> {
    const call = evalScript(dueRpsScript, [this.#keys.backlogs()], [nowMs, from, limit])
    for (;;) {
      const [left, ...rps] = (await this.#redis.command(...call)) as [number, ...string[]]
      // Others have moved up into their places.
      if (left === 0) return rps
    }
  }

  async tidyIndex(rpKeys: readonly string[], nowMs: number): Promise<void> {
    const found = await this.#redis.tolerantPipeline(
      rpKeys.map((rpKey) => evalScript(nextDueScript, [this.#keys.backlog(rpKey)], [])),
    )
    const next = rpKeys.map((rpKey, i) => [rpKey, found[i]] as const)
    const own = next.filter((it): it is readonly [string, string] => it[1] !== FOREIGN)
    const late = own.map(([rpKey, score]) => [rpKey, dueTime(score)] as const)
    const wrong = late.filter(([, due]) => due === '' || Number(due) > nowMs)
    await Promise.all(wrong.map(([rpKey, due]) => this.#reindex(rpKey, due)))
  }

  async claim(rpKey: string, nowMs: number, leaseUntilMs: number, limit: number): Promise<ParkedDelivery[]> {
    const [reply] = await this.#redis.tolerantPipeline([
      evalScript(claimScript, this.#rpKeys(rpKey), [nowMs, leaseUntilMs, Math.min(limit, SCRIPT_ITEMS_MAX)]),
    ])
    // It stays in the index: whoever repairs its key may restore the parked deliveries.
    if (reply === FOREIGN) return this.#noted(rpKey, [])
    const flat = reply as string[]
    const next = dueTime(flat[flat.length - 1])
    // While more is due, the index stays as it is: draining a backlog takes many claims.
    if (next === '' || Number(next) > nowMs) await this.#reindex(rpKey, next)
    return this.#claimed(rpKey, flat, leaseUntilMs)
  }

  async claimExpired(
    rpKey: string,
    nowMs: number,
    leaseUntilMs: number,
    limit: number,
    { from, count }: { readonly from: number; readonly count: number },
  ): Promise<{ claimed: ParkedDelivery[]; next: number }> {
    const [reply] = await this.#redis.tolerantPipeline([
      evalScript(claimExpiredScript, this.#rpKeys(rpKey), [nowMs, leaseUntilMs, limit, from, count]),
    ])
    if (reply === FOREIGN) return this.#noted(rpKey, { claimed: [], next: 0 })
    const [next, ...flat] = reply as [number, ...string[]]
    return { next, claimed: await this.#claimed(rpKey, flat, leaseUntilMs) }
  }

  /** Of pairs of member and progress. */
  async #claimed(rpKey: string, flat: readonly string[], leaseUntilMs: number): Promise<ParkedDelivery[]> {
    const issuer = rpKey.slice(0, rpKey.indexOf('|'))
    const claimed: ParkedDelivery[] = []
    const strange: string[] = []
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const member = decodeMember(flat[i] as string)
      if (member === undefined) {
        strange.push(flat[i] as string)
        continue
      }
      const { state, ...name } = member
      const progress = decodeProgress(flat[i + 1] as string)
      claimed.push({ rpKey, issuer, ...name, dueMs: leaseUntilMs, state: { ...progress, ...state } })
    }
    if (strange.length > 0) {
      await this.#redis.command(...evalScript(setAsideScript, this.#rpKeys(rpKey), strange))
      return this.#noted(rpKey, claimed)
    }
    return claimed
  }

  async remove(names: readonly ParkedName[]): Promise<void> {
    const commands: RedisCommand[] = []
    const rpOf: string[] = []
    for (const [rpKey, parked] of byRp(names)) {
      for (let i = 0; i < parked.length; i += SCRIPT_ITEMS_MAX) {
        const members = parked.slice(i, i + SCRIPT_ITEMS_MAX).map(encodeMember)
        commands.push(evalScript(removeScript, this.#rpKeys(rpKey), members))
        rpOf.push(rpKey)
      }
    }
    const left = await this.#redis.tolerantPipeline(commands)
    for (const [i, rpKey] of rpOf.entries()) if (left[i] === FOREIGN) this.#noted(rpKey, undefined)
    const emptied = new Set(rpOf.filter((_, i) => left[i] === 0))
    for (const rpKey of emptied) await this.#reindex(rpKey, '')
  }

  async keep(rpKey: string, untilMs: number): Promise<void> {
    const issuer = rpKey.slice(0, rpKey.indexOf('|'))
    for await (const members of scannedMembers(this.#redis, this.#keys.backlog(rpKey), '*')) {
      const parked = members.flatMap((member) => {
        const decoded = decodeMember(member)
        if (decoded === undefined) return []
        const progress = { attempts: 0, doubtful: 0 }
        const state = { ...progress, ...decoded.state }
        return { ...decoded, rpKey, issuer, dueMs: 0, keptUntilMs: untilMs, state }
      })
      await this.#redis.tolerantPipeline(this.#stretches(parked))
    }
  }

  async sizes(limit: number): Promise<{ rpKey: string; size: number; nextDueMs: number }[]> {
    const call = evalScript(firstRpsScript, [this.#keys.backlogs()], [limit])
    const flat = (await this.#redis.command(...call)) as string[]
    const rps = flat.filter((_, i) => i % 2 === 0)
    const sizes = await this.#redis.tolerantPipeline(rps.map((rpKey) => ['ZCARD', this.#keys.backlog(rpKey)]))
    const sizeOf = (reply: unknown) => (reply === FOREIGN ? 0 : Number(reply))
    return rps.map((rpKey, i) => ({ rpKey, size: sizeOf(sizes[i]), nextDueMs: Number(flat[2 * i + 1]) }))
  }

  async earliestDeadlines(rpKeys: readonly string[]): Promise<(number | undefined)[]> {
    const found = await this.#redis.tolerantPipeline(
      rpKeys.map((rpKey) =>
        evalScript(earliestDeadlineScript, [this.#keys.backlog(rpKey)], [ENDS_LOOKED_AT]),
      ),
    )
    return found.map((deadline) => (deadline === null || deadline === FOREIGN ? undefined : Number(deadline)))
  }

  /**
   * Writes TTLs, backlogs and index. Reports an RP whose backlog holds foreign data and writes the others. Throws if the
   * index does.
   */
  async #write(
    deliveries: readonly ParkedDelivery[],
    commands: readonly RpCommand[],
    index: readonly RedisCommand[],
  ): Promise<{ refused: ReadonlySet<string>; replies: unknown[] }> {
    const stretches = this.#stretches(deliveries)
    const all = await this.#redis.tolerantPipeline([
      ...stretches,
      ...commands.map(({ command }) => command),
      ...index,
    ])
    const replies = all.slice(stretches.length, stretches.length + commands.length)
    if (all.slice(stretches.length + commands.length).includes(FOREIGN)) {
      this.#redis.suspects.note(this.#keys.backlogs())
      throw new RelayFault(
        'LR_REFUSED',
        'WRONGTYPE: another application uses the key of the backlog index in Redis',
      )
    }
    const refused = new Set<string>()
    for (const [i, { rpKey }] of commands.entries())
      if (replies[i] === FOREIGN) this.#noted(rpKey, refused.add(rpKey))
    return { refused, replies }
  }

  #noted<T>(rpKey: string, result: T): T {
    this.#redis.suspects.note(...this.#rpKeys(rpKey))
    return result
  }

  /** Extends the TTL of registrations and tombstones beyond the deadline. */
  #stretches(deliveries: readonly ParkedDelivery[]): RedisCommand[] {
    const now = systemClock.now()
    const sessions = new Map<string, { issuer: string; sessionId: string; ms: number }>()
    for (const { issuer, keptUntilMs = 0, sessionId, state } of deliveries) {
      const name = `${issuer}\n${sessionId}`
      const untilMs = Math.max(state.deadlineMs, keptUntilMs)
      const ms = Math.max(sessions.get(name)?.ms ?? 0, timeToLiveMs(untilMs, now))
      sessions.set(name, { issuer, sessionId, ms })
    }
    return [...sessions.values()].map(({ issuer, sessionId, ms }) => {
      const keys = [this.#keys.session(issuer, sessionId), this.#keys.ended(issuer, sessionId)]
      return evalScript(stretchScript, keys, [ms])
    })
  }

  /**
   * Moves the RP in the index to its next due time, or removes it. Another replica may park something between the read of
   * `next` and this write. So the backlog is read again, and the due time only moved earlier.
   */
  async #reindex(rpKey: string, next: string): Promise<void> {
    const index = this.#keys.backlogs()
    const [, again] = (await this.#redis.pipeline([
      next === '' ? ['ZREM', index, rpKey] : ['ZADD', index, next, rpKey],
      evalScript(nextDueScript, [this.#keys.backlog(rpKey)], []),
    ])) as [unknown, string]
    const due = dueTime(again)
    if (due !== '' && due !== next) await this.#redis.command('ZADD', index, 'LT', due, rpKey)
  }

  #rpKeys(rpKey: string): [string, string] {
    return [this.#keys.backlog(rpKey), this.#keys.backlogState(rpKey)]
  }
}

/** '' without one. A member that was set aside is never due. */
function dueTime(score: string | undefined): string {
  return score === undefined || score === 'inf' ? '' : score
}

function byRp<T extends ParkedName>(items: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(item.rpKey)
    if (group === undefined) groups.set(item.rpKey, [item])
    else group.push(item)
  }
  return groups
}
