import { CLOCK_TOLERANCE_MS } from '../events/claimed-time.ts'
import type { SettledByLog } from '../events/outcome.ts'
import type { Registration } from '../events/registration.ts'
import type { TraceContext } from '../events/trace-context.ts'
import type { TriggerOrigin } from '../events/trigger.ts'
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

/** Also when it has no date: a session that survives is worse than one that ends too soon. */
export function isDatedUntil(
  { registeredAtMs }: Pick<Registration, 'registeredAtMs'>,
  untilMs: number,
): boolean {
  return registeredAtMs === undefined || registeredAtMs <= untilMs
}

export function isSameOrigin(a: TriggerOrigin, b: TriggerOrigin): boolean {
  return a.id === b.id && a.topic === b.topic && a.partition === b.partition && a.offset === b.offset
}

/**
 * Which registrations of a session a trigger ends, and to which ending each belongs. `standing` is the ending that is
 * remembered of the session. A group that is `fresh` beside one means that the session was used again since: then the
 * trigger's own ending takes the place of the one that stands.
 */
export function groupsOf(
  { registrations, broken }: Pick<OwedGroup, 'registrations' | 'broken'>,
  ending: Ending,
  standing: Ending | undefined,
): OwedGroup[] {
  if (standing === undefined) {
    const mine = datedUntil(registrations, ending.untilMs)
    return groups({ relation: 'fresh', ending, registrations: mine, broken })
  }
  if (isSameOrigin(standing.origin, ending.origin)) {
    const mine = datedUntil(registrations, standing.untilMs)
    return groups({ relation: 'again', ending: standing, registrations: mine, broken })
  }
  const meant = datedUntil(registrations, ending.untilMs)
  const older = datedUntil(meant, standing.untilMs)
  const newer = older.length === meant.length ? [] : meant.filter((it) => !isDatedUntil(it, standing.untilMs))
  return groups(
    { relation: 'further', ending: standing, registrations: older, broken },
    { relation: 'fresh', ending, registrations: newer, broken: [] },
  )
}

/** As much of an ending as one of its outcomes tells; `undefined` where it does not name its trigger. */
export function endingOfOutcome({ origin, occurredAtMs, registeredAtMs }: SettledByLog): Ending | undefined {
  if (origin === undefined) return undefined
  const occurred = occurredAtMs ?? registeredAtMs
  const untilMs = Math.max(occurred + CLOCK_TOLERANCE_MS, registeredAtMs)
  return { origin, occurredAtMs: occurred, untilMs, everywhere: false }
}

function datedUntil(
  registrations: readonly HeldRegistration[],
  untilMs: number,
): readonly HeldRegistration[] {
  // The usual case: nothing is copied.
  return registrations.every((it) => isDatedUntil(it, untilMs))
    ? registrations
    : registrations.filter((it) => isDatedUntil(it, untilMs))
}

function groups(...all: readonly OwedGroup[]): OwedGroup[] {
  return all.filter(({ registrations, broken }) => registrations.length + broken.length > 0)
}
