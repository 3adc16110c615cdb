import type { BatchCategory } from './categories.ts'
import type { History, Login } from './history.ts'
import type { Owed } from './promise.ts'
import type { Arrival } from './relying-parties.ts'

/** What is wrong with a registration, or with the relays as a whole. */
export type Symptom =
  | 'never-told'
  | 'no-outcome'
  | 'two-outcomes'
  | 'told-though-alive'
  | 'told-too-early'
  | 'told-too-late'
  | 'ended-by-the-wrong-trigger'
  | 'told-twice'
  | 'sent-without-token'
  | 'failed-at-a-sound-rp'
  | 'alive-though-ended'
  | 'neither-alive-nor-told'
  | 'not-settled'
  | 'not-ready'
  | 'unexpected-exit'
  | 'invalid-token'
  | 'broke-off'

export interface Violation {
  readonly symptom: Symptom
  readonly sentence: string
}

/** An outcome as it stands on the topic. */
export interface SeenOutcome {
  readonly id: string
  readonly kind: 'sent' | 'failed'
  readonly reason?: string
  readonly triggerId: string
}

/** What happened, as seen from outside of the relays. */
export interface Happened {
  readonly arrivals: readonly Arrival[]
  /** By the `sid` of the registration. */
  readonly outcomes: ReadonlyMap<string, readonly SeenOutcome[]>
  readonly aliveSids: ReadonlySet<string>
  /** When each phase had come to its end, on the wall clock; `undefined` for one that had not. */
  readonly phaseEndsMs: readonly (number | undefined)[]
}

/** Faults after which what was in flight may be told once more. */
const MAY_REPEAT: ReadonlySet<BatchCategory> = new Set([
  'crash',
  'failover',
  'first-start',
  'flush',
  'pending',
  'reload',
  'snapshot',
])
/** Faults after which what is older than the deadline may end as expired. */
const LOSES_REDIS: ReadonlySet<BatchCategory> = new Set([
  'failover',
  'first-start',
  'flush',
  'reload',
  'snapshot',
])

/** Holds what happened to one registration against what was promised of it. */
export function compare(owed: Owed, history: History, happened: Happened, batch: BatchCategory): Violation[] {
  const { login, told, endings, isOver, isReplaced } = owed
  const outcomes = happened.outcomes.get(login.sid) ?? []
  const ids = new Set(outcomes.map(({ id }) => id))
  const earliestMs = Math.min(...endings.map(({ writtenFromMs }) => writtenFromMs))
  const mine = happened.arrivals.filter((it) => isFor(it, login, earliestMs))
  const accepted = mine.filter(({ isAccepted }) => isAccepted).length
  const isAlive = happened.aliveSids.has(login.sid)
  const client = history.clients.find(({ clientId }) => clientId === login.clientId)
  const isRejecting = client?.isForGood === true
  const mayExpire = LOSES_REDIS.has(batch) && history.categories.includes('late')
  const violations: Violation[] = []
  const find = (symptom: Symptom, sentence: string) =>
    violations.push({ symptom, sentence: `${login.name} ${sentence}` })

  if (told === 'must') {
    const by = endings.filter(({ certainty }) => certainty === 'must').map(({ logout }) => logout.name)
    if (accepted === 0 && !isRejecting && !mayExpire)
      find('never-told', `must be told (${by.join(', ')}), and its RP accepted no token of ${mine.length}`)
    if (ids.size === 0) find('no-outcome', `must have an outcome (${by.join(', ')}), and has none`)
    if (isAlive) find('alive-though-ended', `has ended (${by.join(', ')}), and is alive in Redis`)
  }
  if (told === 'must-not') {
    if (!login.isSubOnly && mine.length > 0)
      find('told-though-alive', `has not ended, and its RP was told ${mine.length} times`)
    if (ids.size > 0)
      find('told-though-alive', `has not ended, and has an outcome by ${triggersOf(outcomes)}`)
  }
  if (told === 'may' && !isReplaced && !isOver && ids.size === 0 && !isAlive)
    find('neither-alive-nor-told', 'may have ended or not, and is not alive and has no outcome')
  if (ids.size > 1) find('two-outcomes', `has ${ids.size} outcome ids, by ${triggersOf(outcomes)}`)
  for (const { triggerId } of outcomes) {
    if (endings.some(({ logout }) => logout.id === triggerId)) continue
    if (told !== 'must-not')
      find('ended-by-the-wrong-trigger', `has an outcome by ${triggerId}, which does not end it`)
  }
  const tooEarly = login.isSubOnly ? [] : mine.filter(({ atMs }) => atMs < earliestMs)
  if (told !== 'must-not' && tooEarly.length > 0)
    find('told-too-early', 'was told before anything had been written that ends it')
  if (accepted > 1 && !login.isSubOnly && !MAY_REPEAT.has(batch))
    find('told-twice', `was told ${accepted} times, and its RP had accepted it each time`)
  const heardMs = Math.min(...mine.map(({ atMs }) => atMs))
  const dueMs = happened.phaseEndsMs[owed.duePhase]
  if (
    told === 'must' &&
    !login.isSubOnly &&
    !mayExpire &&
    mine.length > 0 &&
    dueMs !== undefined &&
    heardMs > dueMs
  )
    find('told-too-late', `was told only after phase ${owed.duePhase} had come to its end`)
  const sent = outcomes.find(({ kind }) => kind === 'sent')
  if (sent !== undefined && accepted === 0)
    find('sent-without-token', 'has an outcome sent, and its RP accepted no token')
  const failed = outcomes.find(({ kind }) => kind === 'failed')
  if (failed !== undefined && !isRejecting && !(mayExpire && failed.reason === 'expired'))
    find('failed-at-a-sound-rp', `ended as failed: ${failed.reason}`)
  return violations
}

/** A token with `sub` alone speaks for every registration of the user at its RP that has ended by then. */
function isFor({ atMs, clientId, sid, sub }: Arrival, login: Login, earliestMs: number): boolean {
  if (clientId !== login.clientId) return false
  return login.isSubOnly ? sub === login.sub && atMs >= earliestMs : sid === login.sid
}

function triggersOf(outcomes: readonly SeenOutcome[]): string {
  return [...new Set(outcomes.map(({ triggerId }) => triggerId))].join(' and ')
}
