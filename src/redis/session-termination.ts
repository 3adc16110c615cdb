import { CLOCK_TOLERANCE_MS } from '../events/claimed-time.ts'
import { systemClock } from '../lib/clock.ts'
import { type Ending, groupsOf, type OwedGroup } from '../registry/ending.ts'
import type { OwedAnswer, RegistryStep } from '../registry/registry.ts'
import { NAME_BYTES_MAX, readFieldsScript, scanFieldsScript, scanMembersScript } from './bounded-reads.ts'
import { endSessionsScript, hasExpired, NOT_ENDED, signOutScript, trimScript } from './ending-scripts.ts'
import { FOREIGN, wrongTypeText } from './foreign-keys.ts'
import type { RedisCommand, RedisConnection } from './redis-connection.ts'
import type { RedisKeys } from './redis-keys.ts'
import { evalScript } from './redis-script.ts'
import { inParts, SCRIPT_SESSIONS_MAX, type SessionCalls } from './session-calls.ts'
import { readMark, writeMark } from './session-mark.ts'
import { readSession, type StoredSession, type StoredValue } from './stored-registration.ts'
import { timeToLiveMs } from './time-to-live.ts'

export interface SessionTerminationOptions {
  readonly redis: RedisConnection
  readonly keys: RedisKeys
  readonly calls: SessionCalls
  readonly sessionLifetimeMs: number
  readonly tombstoneMs: number
}

export type EndStep = Omit<Extract<RegistryStep, { kind: 'end-session' }>, 'kind'>
type EndUserStep = Extract<RegistryStep, { kind: 'end-user' }>
type Next = () => Promise<OwedAnswer>

/** The position in a user's index. */
interface Place {
  readonly ids: readonly string[]
  /** `undefined` at the end of the index. */
  readonly cursor: string | undefined
  /** The index still holds expired entries. */
  readonly isUntrimmed: boolean
  /** The last sessions were all over, so reading more at once costs little. */
  readonly isIdle?: boolean
}

/** Entries of an index, or registrations of a session, that one scan step reads. */
const SCAN_COUNT = 128
/** Few, so that the next caller does not wait for their deliveries. */
const SESSIONS_PER_PART = 32
const REGISTRATIONS_PER_PART = 64
const TRIMS_AT_ONCE = 4

export const OF_ANOTHER_USER =
  'userId: the registrations of this session belong to another user, so it was not ended'

/** Ends sessions in Redis: marks and reads them in one step, or in parts if they are many or large. */
export class SessionTermination {
  readonly #redis: RedisConnection
  readonly #keys: RedisKeys
  readonly #calls: SessionCalls
  readonly #sessionLifetimeMs: number
  readonly #tombstoneMs: number

  constructor({ redis, keys, calls, sessionLifetimeMs, tombstoneMs }: SessionTerminationOptions) {
    this.#redis = redis
    this.#keys = keys
    this.#calls = calls
    this.#sessionLifetimeMs = sessionLifetimeMs
    this.#tombstoneMs = tombstoneMs
    redis.register(endSessionsScript, signOutScript, trimScript)
    redis.register(readFieldsScript, scanFieldsScript, scanMembersScript)
  }

  endSessions(steps: readonly EndStep[]): Promise<OwedAnswer[]> {
    return this.#endEach(steps, '')
  }

  async endUser(step: EndUserStep): Promise<OwedAnswer> {
    const { issuer, userId, ending } = step
    const [mark, index] = [this.#keys.signedOut(issuer, userId), this.#keys.user(issuer, userId)]
    const now = systemClock.now()
    // Records of the user's sessions are in other partitions and may be read later. So the mark comes first.
    const [reply, scanned] = await this.#calls.pipelineGuarded(
      [
        evalScript(
          signOutScript,
          [mark, index],
          [
            writeMark(ending),
            ending.untilMs,
            this.#tombstoneMs,
            now + this.#sessionLifetimeMs,
            now - CLOCK_TOLERANCE_MS,
          ],
        ),
        lookAt(index, '0'),
      ],
      'tolerantPipeline',
    )
    const flags = Number(reply)
    if ((flags & 4) !== 0) this.#redis.suspects.note(mark)
    if (scanned === FOREIGN) {
      this.#redis.suspects.note(index)
      const type = String(await this.#redis.command('TYPE', index))
      return { kind: 'owed', groups: [], refused: wrongTypeText(index, type, 'zset') }
    }
    this.#noteLarge(index, scanned)
    return this.#endPart(step, placeAfter(scanned, (flags & 1) !== 0))
  }

  async #endEach(steps: readonly EndStep[], onlyMeantUntil: number | ''): Promise<OwedAnswer[]> {
    return this.#calls.runSkippingForeign(
      steps,
      (step) => step,
      (sound) => this.#endSound(sound, onlyMeantUntil),
      (_, refused) => ({ kind: 'owed', groups: [], refused }),
    )
  }

  async #endSound(steps: readonly EndStep[], onlyMeantUntil: number | ''): Promise<OwedAnswer[]> {
    const now = systemClock.now()
    const replies = await this.#calls.pipelineGuarded(
      inParts(steps, (part) =>
        evalScript(
          endSessionsScript,
          part.flatMap((step) => this.#calls.keysOf(step)),
          [
            this.#tombstoneMs,
            ...part.flatMap(({ ending, userId }) => [
              writeMark(ending),
              timeToLiveMs(ending.deadlineMs ?? now + this.#tombstoneMs, now),
              userId === undefined ? '' : JSON.stringify(userId),
              onlyMeantUntil,
            ]),
          ],
        ),
      ),
    )
    return steps.map((step, i) => {
      const found = replies[Math.floor(i / SCRIPT_SESSIONS_MAX)] as unknown[]
      const at = 3 * (i % SCRIPT_SESSIONS_MAX)
      // The sessions before it were so large that the call did not process it.
      if (at >= found.length)
        return partly([], async () => first(await this.#endEach([step], onlyMeantUntil)))
      const [standing, fields, more] = found.slice(at, at + 3) as [
        string | number,
        string[],
        number | string[],
      ]
      return this.#answer(step, standing, fields, more)
    })
  }

  #answer(step: EndStep, standing: string | number, fields: string[], more: number | string[]): OwedAnswer {
    const { ending, issuer, sessionId } = step
    if (standing === NOT_ENDED.notMeant) return { kind: 'owed', groups: [] }
    if (standing === NOT_ENDED.ofAnother) return { kind: 'owed', groups: [], refused: OF_ANOTHER_USER }
    const lines = standing === '' ? [] : String(standing).split('\n')
    const marks = lines.flatMap((line) => readMark(line, ending) ?? [])
    if (more === 0)
      return { kind: 'owed', groups: groupsOf(readSession(fields, issuer, sessionId), ending, marks) }
    if (typeof more !== 'number') return partly([], () => this.#readNamed(step, marks, more, 0))
    this.#redis.suspects.note(this.#keys.session(issuer, sessionId))
    return partly([], () => this.#readOn(step, marks, '0'))
  }

  /** The next registrations of an ended session, by name. */
  async #readNamed(
    step: EndStep,
    marks: readonly Ending[],
    names: readonly string[],
    from: number,
  ): Promise<OwedAnswer> {
    const { ending, issuer, sessionId, userId } = step
    const next = from + REGISTRATIONS_PER_PART
    const part = names.slice(from, next)
    const session = this.#keys.session(issuer, sessionId)
    const [values] = await this.#calls.pipelineGuarded([evalScript(readFieldsScript, [session], part)])
    // Settled registrations are gone.
    const fields = part.flatMap((name, i) => {
      const value = (values as (StoredValue | null)[])[i]
      return value == null ? [] : [name, value]
    })
    const groups = groupsOf(ofUser(readSession(fields, issuer, sessionId), userId), ending, marks)
    return partly(groups, next >= names.length ? undefined : () => this.#readNamed(step, marks, names, next))
  }

  /** The next registrations of an oversize session. Some may have been found before or added since, so none counts as fresh. */
  async #readOn(step: EndStep, marks: readonly Ending[], cursor: string): Promise<OwedAnswer> {
    const { ending, issuer, sessionId, userId } = step
    const session = this.#keys.session(issuer, sessionId)
    const [reply] = await this.#calls.pipelineGuarded([
      evalScript(scanFieldsScript, [session], [cursor, REGISTRATIONS_PER_PART]),
    ])
    const [next, fields] = reply as [string, StoredValue[]]
    const stored = ofUser(readSession(fields, issuer, sessionId), userId)
    const groups = groupsOf(stored, ending, marks).map((group) => ({
      ...group,
      relation: group.relation === 'fresh' ? ('again' as const) : group.relation,
    }))
    return partly(groups, next === '0' ? undefined : () => this.#readOn(step, marks, next))
  }

  /** Ends as many of the user's sessions as fit into one call. */
  async #endPart(step: EndUserStep, place: Place): Promise<OwedAnswer> {
    const { issuer, userId, ending } = step
    const size = place.isIdle === true ? SCRIPT_SESSIONS_MAX : SESSIONS_PER_PART
    const ids = place.ids.slice(0, size)
    const steps = ids.map((sessionId): EndStep => ({ issuer, sessionId, userId, ending }))
    const answers = await this.#endEach(steps, ending.untilMs)
    const isIdle = answers.every(({ groups, next }) => groups.length === 0 && next === undefined)
    const left = { ...place, isIdle, ids: place.ids.slice(size) }
    const isOver = left.ids.length === 0 && left.cursor === undefined && !left.isUntrimmed
    const nexts = answers.flatMap(({ next }) => next ?? [])
    if (!isOver) nexts.push(() => this.#goOn(step, left))
    // A session may belong to another user by now. The index is only a hint.
    const refused = answers.find((it) => it.refused !== undefined && it.refused !== OF_ANOTHER_USER)?.refused
    const next = chained(nexts, (part) => ({ ...part, groups: groupsOfUser(part.groups, userId) }))
    const groups = groupsOfUser(
      answers.flatMap((it) => it.groups),
      userId,
    )
    return { ...partly(groups, next), ...(refused !== undefined && { refused }) }
  }

  async #goOn(step: EndUserStep, place: Place): Promise<OwedAnswer> {
    if (place.ids.length > 0) return this.#endPart(step, place)
    const index = this.#keys.user(step.issuer, step.userId)
    const until = systemClock.now() - CLOCK_TOLERANCE_MS
    const trims = place.isUntrimmed ? TRIMS_AT_ONCE : 0
    const commands: RedisCommand[] = Array.from({ length: trims }, () =>
      evalScript(trimScript, [index], [until]),
    )
    // Expired entries are removed before the index is read.
    if (!place.isUntrimmed && place.cursor !== undefined) commands.push(lookAt(index, place.cursor))
    const replies = await this.#calls.pipelineGuarded(commands)
    if (!place.isUntrimmed) this.#noteLarge(index, replies.at(-1))
    const after = place.isUntrimmed
      ? { ...place, isUntrimmed: replies.at(-1) === 1 }
      : placeAfter(replies.at(-1), false)
    return this.#endPart(step, { ...after, isIdle: place.isIdle === true })
  }

  /** Notes an index that contains entries too long for a session id. */
  #noteLarge(index: string, scanned: unknown): void {
    const [, , left] = scanned as [string, string[], number]
    if (left > 0) this.#redis.suspects.note(index)
  }
}

function lookAt(index: string, cursor: string): RedisCommand {
  return evalScript(scanMembersScript, [index], [cursor, SCAN_COUNT, NAME_BYTES_MAX])
}

function placeAfter(scanned: unknown, isUntrimmed: boolean): Place {
  const [cursor, flat] = scanned as [string, string[]]
  const now = systemClock.now() - CLOCK_TOLERANCE_MS
  // Every second item is a score.
  const ids = flat.filter((_, i) => i % 2 === 0 && !hasExpired(Number(flat[i + 1]), now))
  return { ids: [...new Set(ids)], cursor: cursor === '0' ? undefined : cursor, isUntrimmed }
}

function groupsOfUser(groups: readonly OwedGroup[], userId: string): OwedGroup[] {
  return groups
    .map((group) => ofUser(group, userId))
    .filter((it) => it.registrations.length + it.broken.length > 0)
}

function ofUser<T extends StoredSession>(stored: T, userId: string | undefined): T {
  if (userId === undefined) return stored
  return { ...stored, registrations: stored.registrations.filter((it) => it.userId === userId) }
}

function partly(groups: readonly OwedGroup[], next: Next | undefined): OwedAnswer {
  return { kind: 'owed', groups, ...(next !== undefined && { next }) }
}

/** Chains the parts one after the other, with their own further parts. */
function chained(nexts: readonly Next[], each: (part: OwedAnswer) => OwedAnswer): Next | undefined {
  const [head, ...rest] = nexts
  if (head === undefined) return undefined
  return async () => {
    const { next, ...part } = each(await head())
    const after = chained(next === undefined ? rest : [next, ...rest], each)
    return { ...part, ...(after !== undefined && { next: after }) }
  }
}

function first<T>(items: readonly T[]): T {
  return items[0] as T
}
