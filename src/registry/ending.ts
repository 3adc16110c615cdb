import { CLOCK_TOLERANCE_MS, isTime } from '../events/claimed-time.ts'
import type { SettledByLog } from '../events/outcome.ts'
import type { Registration } from '../events/registration.ts'
import type { TraceContext } from '../events/trace-context.ts'
import { isSameOrigin, type TriggerOrigin } from '../events/trigger.ts'
import type { BrokenRegistration, HeldRegistration } from './registry.ts'

/** How a session ended: its trigger, and all that the deliveries need of it, so that every outcome goes back to the same one. */
export interface Ending extends TraceContext {
  readonly origin: TriggerOrigin
  /** Milliseconds since the epoch. */
  readonly occurredAtMs: number
  /** Registrations made until then belong to the ending; later ones are of a later login. Milliseconds since the epoch. */
  readonly untilMs: number
  /** After that nothing is attempted for it. Unknown where only an outcome tells of it. Milliseconds since the epoch. */
  readonly deadlineMs?: number
  /** Where the trigger names a user: registrations of others are not meant. */
  readonly userId?: string
  /** The user signed out everywhere. */
  readonly everywhere: boolean
}

/**
 * What a trigger is to a registration that it ends.
 * - `fresh`: nobody was told of an end before.
 * - `again`: the very same record has ended it before. Its delivery may be under way somewhere, or parked, or neither.
 * - `further`: another trigger has ended it, whose delivery this is.
 */
export type Relation = 'fresh' | 'again' | 'further'

/** Registrations of one session that are owed by one ending. */
export interface OwedGroup {
  readonly relation: Relation
  readonly ending: Ending
  readonly registrations: readonly HeldRegistration[]
  readonly broken: readonly BrokenRegistration[]
}

/**
 * Also when it has no date, or one that cannot be true yet, as an identity platform may write it to Redis: a session that
 * survives is worse than one that ends too soon. The clocks of relays lie apart as well, hence twice the tolerance.
 */
export function isDatedUntil(
  { registeredAtMs }: Pick<Registration, 'registeredAtMs'>,
  untilMs: number,
  nowMs = Date.now(),
): boolean {
  if (registeredAtMs === undefined || registeredAtMs <= untilMs) return true
  return registeredAtMs > nowMs + 2 * CLOCK_TOLERANCE_MS
}

/** The ending is of that registration, as far as is known. */
export function means(
  { untilMs, userId }: Pick<Ending, 'untilMs' | 'userId'>,
  registration: Pick<Registration, 'registeredAtMs' | 'userId'>,
  nowMs = Date.now(),
): boolean {
  return (
    isDatedUntil(registration, untilMs, nowMs) && (userId === undefined || userId === registration.userId)
  )
}

/** Whoever is meant by the second is meant by the first. */
export function covers(first: Ending, second: Ending): boolean {
  return first.untilMs >= second.untilMs && (first.userId === undefined || first.userId === second.userId)
}

/**
 * Which registrations of a session a trigger ends, and to which ending each belongs: the first of those that are
 * remembered of the session, `standing`, that means it; else the trigger's own.
 */
export function groupsOf(
  { registrations, broken }: Pick<OwedGroup, 'registrations' | 'broken'>,
  ending: Ending,
  standing: readonly Ending[],
  nowMs = Date.now(),
): OwedGroup[] {
  const known = standing.find(({ origin }) => isSameOrigin(origin, ending.origin))
  const own = known ?? ending
  const endings = known === undefined ? [...standing, ending] : standing
  let left = meantBy(own, registrations, nowMs)
  const groups: OwedGroup[] = []
  for (const [i, it] of endings.entries()) {
    const mine = meantBy(it, left, nowMs)
    const unreadable = i === 0 ? broken : []
    if (mine.length + unreadable.length > 0) {
      const relation = it !== own ? 'further' : known === undefined ? 'fresh' : 'again'
      groups.push({ relation, ending: it, registrations: mine, broken: unreadable })
    }
    if (mine.length === left.length) break
    left = left.filter((registration) => !means(it, registration, nowMs))
  }
  return groups
}

/** As much of an ending as one of its outcomes tells; `undefined` where it does not name its trigger, or no time. */
export function endingOfOutcome({ origin, occurredAtMs, registeredAtMs }: SettledByLog): Ending | undefined {
  if (origin === undefined) return undefined
  const [occurred] = [occurredAtMs, registeredAtMs].filter(isTime).map(Math.trunc)
  if (occurred === undefined) return undefined
  const latest = isTime(registeredAtMs) ? Math.trunc(registeredAtMs) : 0
  const untilMs = Math.max(occurred + CLOCK_TOLERANCE_MS, latest)
  return { origin, occurredAtMs: occurred, untilMs, everywhere: false }
}

/** What a trigger that nobody is told of settles, as though there were outcomes; what another one ends is that one's. */
export function settledInSilence(groups: readonly OwedGroup[]): SettledByLog[] {
  return groups.filter(({ relation }) => relation !== 'further').flatMap(settledBySilence)
}

function settledBySilence({ ending, registrations, broken }: OwedGroup): SettledByLog[] {
  const { origin, occurredAtMs, untilMs } = ending
  const by = { origin, occurredAtMs, recordedAtMs: occurredAtMs }
  return [...registrations, ...broken].map(({ issuer, sessionId, oidcSessionId, ...it }) => ({
    ...by,
    issuer,
    sessionId,
    oidcSessionId,
    registeredAtMs: 'registeredAtMs' in it && it.registeredAtMs !== undefined ? it.registeredAtMs : untilMs,
  }))
}

function meantBy(
  ending: Ending,
  registrations: readonly HeldRegistration[],
  nowMs: number,
): readonly HeldRegistration[] {
  // The usual case: nothing is copied.
  return registrations.every((it) => means(ending, it, nowMs))
    ? registrations
    : registrations.filter((it) => means(ending, it, nowMs))
}
