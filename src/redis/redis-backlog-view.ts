import type { ParkedDelivery } from '../delivery/backlog.ts'
import { type CurrentState, currentState, type Pause, readHistory } from '../registry/client-history.ts'
import { firstMembersScript, firstRpsScript, nextDueScript } from './backlog-scripts.ts'
import { readFieldsScript, scanMembersScript } from './bounded-reads.ts'
import { decodeMember, decodeProgress } from './parked-state.ts'
import type { RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript } from './redis-script.ts'
import { literalPattern, scannedMembers } from './scanned-keys.ts'

export interface BacklogSize {
  /** `<issuer>|<clientId>` */
  readonly rpKey: string
  readonly size: number
  /** The earliest due time. Milliseconds since the epoch. */
  readonly oldestDueMs: number
  /** Nothing of it is attempted, whatever is due. */
  readonly isPaused: boolean
}

/** A parked delivery as stored in Redis. */
export interface SeenDelivery extends ParkedDelivery {
  /** A replica holds it until then. Milliseconds since the epoch. */
  readonly leasedUntilMs?: number
  /** Its client is paused: it is not attempted, whenever it is due. */
  readonly isPaused?: boolean
  /** By which the deadline in `state` is put off. */
  readonly pauses: readonly Pause[]
}

const MEMBERS_MAX = 500

/** Shows the backlog in Redis to people. Read-only; throws when Redis is out of reach. */
export class RedisBacklogView {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys

  constructor(redis: RedisConnection, keys: RedisKeys) {
    this.#redis = redis
    this.#keys = keys
    redis.register(firstMembersScript, firstRpsScript, nextDueScript, readFieldsScript, scanMembersScript)
  }

  /** RPs that have a backlog, the earliest due first. */
  async sizes(limit: number): Promise<BacklogSize[]> {
    const call = evalScript(firstRpsScript, [this.#keys.backlogs()], [limit])
    // Every second item is a due time.
    const rps = ((await this.#redis.command(...call)) as string[]).filter((_, i) => i % 2 === 0)
    const replies = await this.#redis.pipeline(
      rps.flatMap((rpKey) => [
        ['ZCARD', this.#keys.backlog(rpKey)],
        evalScript(nextDueScript, [this.#keys.backlog(rpKey)], []),
      ]),
    )
    const states = await this.#statesOf(rps)
    const found = rps.map((rpKey, i) => ({
      rpKey,
      isPaused: states[i]?.kind === 'paused',
      size: Number(replies[2 * i]),
      oldestDueMs: Number(replies[2 * i + 1]),
    }))
    // The index is updated after the backlog, so it may name an RP without deliveries.
    return found.filter(({ size }) => size > 0)
  }

  async size(rpKey: string): Promise<number> {
    return Number(await this.#redis.command('ZCARD', this.#keys.backlog(rpKey)))
  }

  /** The parked deliveries of an RP, the earliest due first. */
  async first(rpKey: string, limit: number, nowMs: number): Promise<SeenDelivery[]> {
    const reply = await this.#redis.command(
      ...evalScript(firstMembersScript, [this.#keys.backlog(rpKey)], [limit]),
    )
    return this.#read(rpKey, reply as string[], nowMs)
  }

  /** The parked deliveries of one session at an RP. Scans the RP's whole backlog. */
  async ofSession(rpKey: string, sessionId: string, nowMs: number): Promise<SeenDelivery[]> {
    const found: SeenDelivery[] = []
    for await (const members of this.members(rpKey, sessionId)) {
      found.push(...(await this.#read(rpKey, members, nowMs)))
    }
    return found.sort((a, b) => a.dueMs - b.dueMs)
  }

  /** Members of the backlog in pages; only those of `sessionId` if given. */
  async *members(rpKey: string, sessionId?: string): AsyncGenerator<string[]> {
    const key = this.#keys.backlog(rpKey)
    yield* scannedMembers(this.#redis, key, sessionId === undefined ? '*' : `${literalPattern(sessionId)}\n*`)
  }

  /** What is no history of a client says nothing. */
  async #statesOf(rpKeys: readonly string[]): Promise<(CurrentState | undefined)[]> {
    if (rpKeys.length === 0) return []
    const call = evalScript(readFieldsScript, [this.#keys.clientStates()], rpKeys)
    const [found] = await this.#redis.tolerantPipeline([call])
    const texts = Array.isArray(found) ? (found as readonly unknown[]) : []
    return texts.map((it) => (typeof it === 'string' ? currentState(readHistory(it)) : undefined))
  }

  async #read(rpKey: string, members: readonly string[], nowMs: number): Promise<SeenDelivery[]> {
    const found: SeenDelivery[] = []
    for (let i = 0; i < members.length; i += MEMBERS_MAX) {
      found.push(...(await this.#readPart(rpKey, members.slice(i, i + MEMBERS_MAX), nowMs)))
    }
    return found
  }

  async #readPart(rpKey: string, members: readonly string[], nowMs: number): Promise<SeenDelivery[]> {
    if (members.length === 0) return []
    const fields = members.flatMap((member) => [member, leaseField(member)])
    const replies = await this.#redis.pipeline([
      evalScript(readFieldsScript, [this.#keys.backlogState(rpKey)], fields),
      ...members.map((member) => ['ZSCORE', this.#keys.backlog(rpKey), member] as const),
    ])
    const [client] = await this.#statesOf([rpKey])
    const [states, ...scores] = replies as [(string | number | null)[], ...(string | null)[]]
    const issuer = rpKey.slice(0, rpKey.indexOf('|'))
    return members.flatMap((member, i) => {
      const dueMs = scores[i]
      // It was settled between the two reads.
      if (dueMs == null) return []
      const decoded = decodeMember(member)
      if (decoded === undefined) return []
      const { state, ...name } = decoded
      const leasedUntilMs = Number(states[2 * i + 1] ?? 0)
      return {
        rpKey,
        issuer,
        ...name,
        dueMs: Number(dueMs),
        state: { ...decodeProgress(String(states[2 * i] ?? '')), ...state },
        ...(leasedUntilMs > nowMs && { leasedUntilMs }),
        ...(client?.kind === 'paused' && { isPaused: true }),
        pauses: client?.pauses ?? [],
      }
    })
  }
}

/** Leases are by registration: the first two lines of a member. */
function leaseField(member: string): string {
  const [sessionId, oidcSessionId] = member.split('\n')
  return `lease:${sessionId}\n${oidcSessionId}`
}
