import { CLOCK_TOLERANCE_MS, isTime } from '../events/claimed-time.ts'
import type { SettledByLog } from '../events/outcome.ts'
import type { Registration } from '../events/registration.ts'
import type { TraceContext } from '../events/trace-context.ts'
import { isSameOrigin, type TriggerOrigin } from '../events/trigger.ts'
import { systemClock } from '../lib/clock.ts'
import type { BrokenRegistration, HeldRegistration } from './registry.ts'

/** How a session ended: its trigger and everything that its deliveries need. So every outcome refers to the same trigger. */
export interface Ending extends TraceContext {
  readonly origin: TriggerOrigin
  /** Milliseconds since the epoch. */
  readonly occurredAtMs: number
  /** The ending covers registrations made up to this time. Later ones belong to a later login. Milliseconds since the epoch. */
  readonly untilMs: number
  /** No attempt is made after it. Unknown for an ending that was read from an outcome. Milliseconds since the epoch. */
  readonly deadlineMs?: number
  /** Set when the trigger names a user. The ending then covers that user's registrations only. */
  readonly userId?: string
  /** The user signed out everywhere. */
  readonly everywhere: boolean
}

/**
 * The relation of a trigger to a registration that it ends.
 * - `fresh`: no trigger has ended it before.
 * - `again`: the same record has ended it before. Its delivery may be under way, or parked, or neither.
 * - `further`: another trigger has ended it and owns the delivery.
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
 * True also for a missing date, or one in the future, as an identity platform may write it to Redis: a session that survives
 * is worse than one that ends too soon. The tolerance counts twice because the relays' clocks differ as well.
 */
export function isDatedUntil(
  { registeredAtMs }: Pick<Registration, 'registeredAtMs'>,
  untilMs: number,
  nowMs = systemClock.now(),
): boolean {
  if (registeredAtMs === undefined || registeredAtMs <= untilMs) return true
  return registeredAtMs > nowMs + 2 * CLOCK_TOLERANCE_MS
}

/** Whether the ending covers the registration, as far as is known. */
export function appliesTo(
  { untilMs, userId }: Pick<Ending, 'untilMs' | 'userId'>,
  registration: Pick<Registration, 'registeredAtMs' | 'userId'>,
  nowMs = systemClock.now(),
): boolean {
  return (
    isDatedUntil(registration, untilMs, nowMs) && (userId === undefined || userId === registration.userId)
  )
}

/** Whether `first` covers every registration that `second` covers. */
export function covers(first: Ending, second: Ending): boolean {
  return first.untilMs >= second.untilMs && (first.userId === undefined || first.userId === second.userId)
}

/**
 * Finds the registrations of a session that a trigger ends, and the ending of each: the first of `standing`, the endings
 * remembered for the session, that covers it; else the trigger's own.
 */
export function groupsOf(
  { registrations, broken }: Pick<OwedGroup, 'registrations' | 'broken'>,
  ending: Ending,
  standing: readonly Ending[],
  nowMs = systemClock.now(),
): OwedGroup[] {
  const known = standing.find(({ origin }) => isSameOrigin(origin, ending.origin))
  const own = known ?? ending
  const endings = known === undefined ? [...standing, ending] : standing
  const unsettled = registrations.some(isShadowed)
    ? registrations.filter((it) => !isShadowed(it))
    : registrations
  let left = coveredBy(own, unsettled, nowMs)
  const groups: OwedGroup[] = []
  for (const [i, it] of endings.entries()) {
    const mine = coveredBy(it, left, nowMs)
    const unreadable = i === 0 ? broken : []
    if (mine.length + unreadable.length > 0) {
      const relation = it !== own ? 'further' : known === undefined ? 'fresh' : 'again'
      groups.push({ relation, ending: it, registrations: mine, broken: unreadable })
    }
    if (mine.length === left.length) break
    left = left.filter((registration) => !appliesTo(it, registration, nowMs))
  }
  return groups
}

/** Rebuilds an ending from one of its outcomes. `undefined` if the outcome names no trigger or no time. */
export function endingOfOutcome({ origin, occurredAtMs, registeredAtMs }: SettledByLog): Ending | undefined {
  if (origin === undefined) return undefined
  const [occurred] = [occurredAtMs, registeredAtMs].filter(isTime).map(Math.trunc)
  if (occurred === undefined) return undefined
  const latest = isTime(registeredAtMs) ? Math.trunc(registeredAtMs) : 0
  const untilMs = Math.max(occurred + CLOCK_TOLERANCE_MS, latest)
  return { origin, occurredAtMs: occurred, untilMs, everywhere: false }
}

/** What a trigger settles without telling any RP, as if it had outcomes. Registrations of other endings are left out. */
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

function isShadowed(registration: HeldRegistration): boolean {
  return registration.isShadowed === true
}

function coveredBy(
  ending: Ending,
  registrations: readonly HeldRegistration[],
  nowMs: number,
): readonly HeldRegistration[] {
  return registrations.every((it) => appliesTo(ending, it, nowMs))
    ? registrations
    : registrations.filter((it) => appliesTo(ending, it, nowMs))
}
